package zurau.ecosystem.connect;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import zurau.ecosystem.Expect;
import zurau.ecosystem.process.Worker;

/** A worker of Connect's distributed kind and its REST interface. */
final class RestWorker implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(90);
    private static final ObjectMapper JSON = new ObjectMapper();

    private final HttpClient client = HttpClient.newHttpClient();
    private final Worker worker;
    private final String address;

    private RestWorker(Worker worker, String address) {
        this.worker = worker;
        this.address = address;
    }

    static RestWorker start(String name, Path log, Path settings, int port) throws IOException {
        return new RestWorker(
            Worker.start(name, log, "org.apache.kafka.connect.cli.ConnectDistributed", List.of(settings)),
            "127.0.0.1:" + port);
    }

    /** What the workers call this one. */
    String id() {
        return address;
    }

    /** Hands in a connector, as soon as the worker is in its group and takes it. */
    void put(String connector, Map<String, String> settings) throws Exception {
        HttpRequest request = request("/connectors/" + connector + "/config")
            .header("Content-Type", "application/json")
            .PUT(HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(settings)))
            .build();
        String[] last = {null};
        Expect.within(PATIENCE, "connector " + connector + " is taken", () -> {
            worker.mustBeAlive();
            try {
                HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
                last[0] = response.statusCode() + " " + response.body();
                // 409 while the group rebalances, 404 and 5xx while the worker starts.
                Expect.that(response.statusCode() != 400, "settings of " + connector + ": " + last[0]);
                return response.statusCode() == 200 || response.statusCode() == 201;
            } catch (IOException notYet) {
                return false;
            }
        });
    }

    /** Waits until a connector and its one task run, and that just these workers run those of all given connectors. */
    void awaitRunning(Set<String> workers, String... connectors) throws Exception {
        Expect.becomes(PATIENCE, new TreeSet<>(workers), "workers that run " + List.of(connectors), () -> {
            worker.mustBeAlive();
            Set<String> running = new TreeSet<>();
            for (String connector : connectors) {
                JsonNode status = status(connector);
                if (status == null) {
                    return "no status of " + connector + " yet";
                }
                List<JsonNode> parts = List.of(status.path("connector"), status.path("tasks").path(0));
                for (JsonNode part : parts) {
                    if (!part.path("state").asText().equals("RUNNING")) {
                        return status.toString();
                    }
                    running.add(part.path("worker_id").asText());
                }
            }
            return running;
        });
    }

    void mustBeAlive() {
        worker.mustBeAlive();
    }

    void stop() throws InterruptedException {
        worker.stop();
    }

    @Override
    public void close() {
        worker.close();
    }

    private JsonNode status(String connector) throws InterruptedException {
        try {
            HttpResponse<String> response = client.send(
                request("/connectors/" + connector + "/status").build(), HttpResponse.BodyHandlers.ofString());
            return response.statusCode() == 200 ? JSON.readTree(response.body()) : null;
        } catch (IOException notYet) {
            return null;
        }
    }

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create("http://" + address + path)).timeout(Duration.ofSeconds(30));
    }
}
