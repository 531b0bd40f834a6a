module zurau/expect

go 1.21
