package zurau.ecosystem;

/** One test; it passes when it returns. */
@FunctionalInterface
public interface Scenario {
    void run(Run run) throws Exception;
}
