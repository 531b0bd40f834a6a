package zurau.functions;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.common.Uuid;
import zurau.functions.KafkaGroup.Member;

/**
 * Random groups that live through random changes, and what Kafka assigns after each.
 *
 * <pre>
 * group                                    a new group and a new cluster
 * topic NAME ID PARTITIONS                 a topic, or more partitions
 * gone NAME                                it is deleted
 * pattern PATTERN NAME,...                 what it matches
 * member ID INSTANCE|- NAME,...|- PATTERN|-  a member, or its new subscription
 * replace ID INSTANCE ...                  a member takes the place of the one with this instance
 * left ID
 * assign ASSIGNOR                          asked for by the heartbeat of the member named last
 * = ID NAME:0-3,5 ...                      whose assignment is another now
 * end                                      of an assignment
 * </pre>
 */
final class Assignments {
    private final Random random;
    private final boolean history;
    private final boolean small;
    private final PrintStream out;

    private Cluster cluster;
    private Map<String, Member> members;
    private Map<String, Map<Uuid, TreeSet<Integer>>> targets;
    private Map<String, Set<String>> patterns;
    /** With a history: the group that has lived through all. */
    private KafkaGroup group;
    private int named;

    Assignments(long seed, boolean history, boolean small, PrintStream out) {
        this.random = new Random(seed);
        this.history = history;
        this.small = small;
        this.out = out;
    }

    void print(int count) {
        int printed = 0;
        while (printed < count) {
            printed += live(Math.min(count - printed, 1 + random.nextInt(12)));
        }
    }

    private int live(int assignments) {
        cluster = new Cluster();
        members = new TreeMap<>();
        targets = new TreeMap<>();
        patterns = new TreeMap<>();
        group = new KafkaGroup();
        out.println("group");
        int topics = 1 + random.nextInt(one(5) ? 30 : 5);
        for (int topic = 0; topic < topics; topic++) {
            create();
        }
        boolean homogeneous = random.nextBoolean();
        Set<String> all = someTopics();
        int most = one(10) && !small ? 150 : one(3) ? 24 : 6;
        int first = 1 + random.nextInt(most);
        for (int member = 1; member < first; member++) {
            Member joined = newMember(homogeneous ? all : someTopics(), homogeneous);
            members.put(joined.id(), joined);
            group.write(joined);
        }
        for (int assignment = 0; assignment < assignments; assignment++) {
            if (assignment > 0) {
                change(homogeneous, all);
            }
            assign(heartbeat(homogeneous, all));
        }
        return assignments;
    }

    private boolean one(int in) {
        return random.nextInt(in) == 0;
    }

    private void create() {
        String name = switch (random.nextInt(3)) {
            case 0 -> "topic-" + random.nextInt(100);
            case 1 -> "t" + random.nextInt(1000);
            default -> "orders.v" + random.nextInt(40) + (one(2) ? ".retry" : "");
        };
        int partitions = one(4) ? 1 + random.nextInt(small ? 40 : 300) : 1 + random.nextInt(12);
        if (!cluster.topics.containsKey(name)) {
            put(new Cluster.Topic(name, new Uuid(random.nextLong(), random.nextLong()), partitions));
        }
    }

    private void put(Cluster.Topic topic) {
        cluster.topics.put(topic.name(), topic);
        out.println("topic " + topic.name() + " " + topic.id() + " " + topic.partitionCount());
    }

    private String someTopic() {
        List<String> names = new ArrayList<>(cluster.topics.keySet());
        return names.get(random.nextInt(names.size()));
    }

    private Set<String> someTopics() {
        Set<String> some = new TreeSet<>();
        int count = one(4) ? cluster.topics.size() : 1 + random.nextInt(4);
        for (int topic = 0; topic < count; topic++) {
            some.add(someTopic());
        }
        return some;
    }

    private Member newMember(Set<String> topics, boolean homogeneous) {
        String id = one(4) ? "m" + random.nextInt(1000) : new Uuid(random.nextLong(), random.nextLong()).toString();
        while (members.containsKey(id)) {
            id += "x";
        }
        String instance = one(4) ? "i" + random.nextInt(10) + "-" + named++ : null;
        Member member = new Member(id, instance, topics, null);
        if (!homogeneous && one(8)) {
            member = new Member(id, instance, one(2) ? Set.of() : topics, resolved());
        }
        print("member", member);
        return member;
    }

    private String resolved() {
        String pattern = "p" + random.nextInt(3);
        Set<String> topics = patterns.computeIfAbsent(pattern, absent -> someTopics());
        group.resolve(pattern, topics);
        out.println("pattern " + pattern + " " + String.join(",", topics));
        return pattern;
    }

    private void print(String what, Member member) {
        out.println(what + " " + member.id() + " " + (member.instance() == null ? "-" : member.instance()) + " "
            + (member.names().isEmpty() ? "-" : String.join(",", member.names())) + " "
            + (member.pattern() == null ? "-" : member.pattern()));
    }

    private Member someMember() {
        List<Member> all = new ArrayList<>(members.values());
        return all.get(random.nextInt(all.size()));
    }

    private void change(boolean homogeneous, Set<String> all) {
        int leaving = one(3) ? random.nextInt(1 + members.size() / 2) : one(2) ? 1 : 0;
        for (int member = 0; member < leaving && members.size() > 1; member++) {
            Member left = someMember();
            members.remove(left.id());
            targets.remove(left.id());
            group.remove(left.id());
            out.println("left " + left.id());
        }
        int joining = one(3) ? random.nextInt(1 + members.size() / 2) : 0;
        for (int member = 0; member < joining; member++) {
            Member joined = newMember(homogeneous ? all : someTopics(), homogeneous);
            members.put(joined.id(), joined);
            group.write(joined);
        }
        if (one(4)) {
            Cluster.Topic topic = cluster.topics.get(someTopic());
            put(new Cluster.Topic(topic.name(), topic.id(), topic.partitionCount() + 1 + random.nextInt(10)));
        }
        if (one(8) && cluster.topics.size() > 1) {
            String gone = someTopic();
            cluster.topics.remove(gone);
            out.println("gone " + gone);
        }
        if (one(8)) {
            create();
        }
    }

    /** Who asks for the new assignment: a member that joins, that has changed its subscription, or any. */
    private Member heartbeat(boolean homogeneous, Set<String> all) {
        if (members.isEmpty() || one(2)) {
            return newMember(homogeneous ? all : someTopics(), homogeneous);
        }
        Member member = someMember();
        if (one(8) && member.instance() != null) {
            String id = new Uuid(random.nextLong(), random.nextLong()).toString();
            Member other = new Member(id, member.instance(), member.names(), member.pattern());
            print("replace", other);
            return other;
        }
        if (!homogeneous && one(2)) {
            member = new Member(member.id(), member.instance(), someTopics(), member.pattern());
        }
        print("member", member);
        return member;
    }

    private void assign(Member heartbeat) {
        String assignor = one(3) ? "range" : "uniform";
        // What a pattern matches is forgotten with its last member.
        for (String pattern : List.copyOf(patterns.keySet())) {
            boolean isUsed = pattern.equals(heartbeat.pattern())
                || members.values().stream().anyMatch(member -> pattern.equals(member.pattern()));
            if (!isUsed) {
                patterns.remove(pattern);
                group.forget(pattern);
            }
        }
        KafkaGroup asked = history ? group : loaded();
        var records = asked.assign(assignor, heartbeat, cluster);
        members.values().stream()
            .filter(other -> heartbeat.instance() != null && heartbeat.instance().equals(other.instance()))
            .filter(other -> !other.id().equals(heartbeat.id()))
            .findFirst()
            .ifPresent(replaced -> {
                members.remove(replaced.id());
                Map<Uuid, TreeSet<Integer>> target = targets.remove(replaced.id());
                if (target != null) {
                    targets.put(heartbeat.id(), target);
                }
                group.remove(replaced.id());
            });
        members.put(heartbeat.id(), heartbeat);
        group.write(heartbeat);
        Map<String, Map<Uuid, TreeSet<Integer>>> changed = group.replay(records);
        targets.putAll(changed);
        out.println("assign " + assignor);
        changed.forEach((id, target) -> out.println("= " + id + text(target)));
        out.println("end");
    }

    private KafkaGroup loaded() {
        KafkaGroup loaded = new KafkaGroup();
        patterns.forEach(loaded::resolve);
        members.values().forEach(loaded::write);
        targets.forEach(loaded::writeTarget);
        return loaded;
    }

    private String text(Map<Uuid, TreeSet<Integer>> target) {
        Map<String, TreeSet<Integer>> byName = new TreeMap<>();
        target.forEach((id, partitions) -> byName.put(cluster.topicMetadata(id).orElseThrow().name(), partitions));
        return byName.entrySet().stream()
            .map(entry -> " " + entry.getKey() + ":" + runs(entry.getValue()))
            .collect(Collectors.joining());
    }

    /** Partitions with their runs: 0-3,5. */
    private static String runs(TreeSet<Integer> partitions) {
        List<String> runs = new ArrayList<>();
        List<Integer> left = new ArrayList<>(partitions);
        for (int from = 0; from < left.size(); ) {
            int to = from;
            while (to + 1 < left.size() && left.get(to + 1) == left.get(to) + 1) {
                to++;
            }
            runs.add(from == to ? left.get(from).toString() : left.get(from) + "-" + left.get(to));
            from = to + 1;
        }
        return String.join(",", runs);
    }
}
