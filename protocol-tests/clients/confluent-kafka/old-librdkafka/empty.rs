// Cargo wants a file here.
