package zurau.clients;

/** The scenario cannot be run here, for a reason that is no fault of the broker. */
public final class Skipped extends RuntimeException {
    public Skipped(String reason) {
        super(reason);
    }
}
