package zurau.disk;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;

/** What Kafka's tools do to end: a class of Kafka's that is in one of two packages, after the release. */
final class KafkaExit {
    private KafkaExit() {}

    /** Puts the handler in the place of what this setter sets. */
    static void instead(String setter, InvocationHandler handler) throws ReflectiveOperationException {
        for (Method method : exit().getMethods()) {
            if (method.getName().equals(setter)) {
                Class<?> kind = method.getParameterTypes()[0];
                method.invoke(null, Proxy.newProxyInstance(kind.getClassLoader(), new Class<?>[] {kind}, handler));
            }
        }
    }

    private static Class<?> exit() throws ClassNotFoundException {
        try {
            return Class.forName("org.apache.kafka.common.utils.internals.Exit");
        } catch (ClassNotFoundException before) {
            return Class.forName("org.apache.kafka.common.utils.Exit");
        }
    }
}
