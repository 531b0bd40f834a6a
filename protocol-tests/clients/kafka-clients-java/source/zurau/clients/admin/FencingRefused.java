package zurau.clients.admin;

import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.errors.TransactionalIdAuthorizationException;
import zurau.clients.Broker;
import zurau.clients.Expect;

/** Transactions are not served yet: who fences a producer hears it at once, and does not ask again without end. */
public final class FencingRefused {
    private FencingRefused() {
    }

    public static void atOnce(Broker broker) throws Exception {
        try (Admin admin = broker.admin()) {
            Expect.failure(TransactionalIdAuthorizationException.class, "fenceProducers",
                () -> admin.fenceProducers(Set.of(broker.name("transactional"))).all().get());
        }
    }
}
