package zurau.ecosystem.connect;

import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigDef.Importance;
import org.apache.kafka.common.config.ConfigDef.Type;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.source.SourceConnector;

/** Sends the lines of a file to a topic. Kafka's own connector for files is not published with every release. */
public final class LinesSource extends SourceConnector {
    private Map<String, String> settings;

    @Override
    public void start(Map<String, String> given) {
        settings = given;
    }

    @Override
    public Class<? extends Task> taskClass() {
        return LinesSourceTask.class;
    }

    @Override
    public List<Map<String, String>> taskConfigs(int most) {
        return List.of(settings);
    }

    @Override
    public void stop() {
    }

    @Override
    public ConfigDef config() {
        return new ConfigDef()
            .define("file", Type.STRING, Importance.HIGH, "The file that is read.")
            .define("topic", Type.STRING, Importance.HIGH, "The topic that gets its lines.");
    }

    @Override
    public String version() {
        return "1";
    }
}
