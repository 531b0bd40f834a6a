package zurau.ecosystem.flink;

import java.util.Map;
import org.apache.flink.connector.kafka.sink.TransactionNamingStrategy;
import zurau.ecosystem.Launcher;

/** The scenarios of Flink, which brings Kafka clients of its own and so is a project of its own. */
public final class FlinkMain {
    private FlinkMain() {
    }

    public static void main(String[] arguments) throws Exception {
        Launcher.launch(Map.of(
            "flink-incrementing", run -> new ExactlyOnce(run, TransactionNamingStrategy.INCREMENTING).play(),
            "flink-pooling", run -> new ExactlyOnce(run, TransactionNamingStrategy.POOLING).play()), arguments);
    }
}
