package zurau.ecosystem;

/** One test; it passes when it returns. */
@FunctionalInterface
interface Scenario {
    void run(Run run) throws Exception;
}
