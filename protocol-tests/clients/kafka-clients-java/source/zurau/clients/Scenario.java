package zurau.clients;

/** One test; it passes when it returns. */
@FunctionalInterface
interface Scenario {
    void run(Broker broker) throws Throwable;
}
