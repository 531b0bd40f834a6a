package zurau.exactlyonce;

/** What runs until it is told to stop. */
interface Worker {
    void run() throws Exception;
}
