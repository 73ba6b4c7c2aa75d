import com.sun.management.OperatingSystemMXBean;
import java.io.*;
import java.lang.management.*;
import java.net.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.function.*;
import runbook.*;
import runbook.Klaviyo.Endpoint;
import runbook.Klaviyo.Revision;
import runbook.sandbox.*;
import runbook.watching.*;
import runbook.watching.Keeper.Goal;
import runbook.watching.Watching.Face;
import runbook.watching.Watching.Plan;
import runbook.watching.Watching.Shot;

/**
 * {@code ./jbang bench watch [--rounds N]}: what a watch of days costs. N rounds (10,000) of every check, journal and
 * all, in a process of its own with watch's own JVM options, against a sandbox in this one; rounds follow each other at
 * once, and the quotas of sandbox and watch run as much faster.
 */
final class WatchBench {
    private static final int MOST_MEGABYTES = 96;
    private static final int MOST_CPU_MILLIS = 20;
    private static final double SPEED = 100_000;

    private WatchBench() { }

    static void measure(List<String> options) throws Exception {
        int rounds = Integer.parseInt(Bench.option(options, "--rounds", "10000"));
        try (ControlledSandbox sandbox = ControlledSandbox.start("healthy", Duration.ZERO, SPEED)) {
            Settings.Target at = sandbox.target();
            String[] itsOptions = Run.process("watch").words().stream()
                    .filter(word -> word.startsWith("-X") && !word.contains("Share")).toArray(String[]::new);
            Run child = Run.command(Run.JAVA.toString()).args(itsOptions)
                    .args("-cp", System.getProperty("java.class.path"), "WatchBench$Child")
                    .args(rounds, at.api(), at.status(), at.app(), at.webhook(), at.prometheus());
            System.out.print(child.cwd(Tree.temporary("watch-bench")).stdin(sandbox.key())
                    .timeout(Duration.ofHours(1)).run().ends(0).out());
        }
    }

    /** The process that is measured. */
    static final class Child implements Face {
        private final int rounds;
        private final OperatingSystemMXBean system =
                (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        private final List<Long> residents = new ArrayList<>();
        private final long began = System.nanoTime();
        private int made;

        private Child(int rounds) {
            this.rounds = rounds;
        }

        public static void main(String... args) throws IOException {
            Child child = new Child(Integer.parseInt(args[0]));
            Key key = Key.of(new String(System.in.readAllBytes()));
            Settings settings = new Settings(new Settings.Target(URI.create(args[1]), URI.create(args[2]),
                    URI.create(args[3]), URI.create(args[4]), URI.create(args[5]), false), Optional.of(key),
                    Revision.NEWEST.toString(), new Settings.Probing(Duration.ofSeconds(5), 1, Endpoint.KNOWN,
                            "sum by (status) (increase(klaviyo_api_errors_total[2m]))", List.of()),
                    Optional.empty(), Map.of(), Settings.Templates.BUILT_IN);
            Set<String> checks = new LinkedHashSet<>(List.of("status-page", "network", "auth"));
            Endpoint.KNOWN.forEach(endpoint -> checks.add("endpoint:" + endpoint.name()));
            checks.addAll(List.of("app", "app-errors", "webhook"));
            Duration days = Duration.ofDays(9);
            Telling.Choice nobody = new Telling.Choice(Optional.empty(), Optional.empty(), new Tool(Map.of(),
                    Path.of(""), days, ""), Optional.of(days), Set.of(), Optional.empty());
            Plan plan = new Plan(settings, checks, new Goal(Integer.MAX_VALUE, days, 2), Duration.ofMillis(1), days,
                    SPEED, "klaviyo_retry_queue_depth", new Incident.Choice(Path.of("."), Path.of("incident"), ""),
                    journal -> Checks.Before.NOTHING, nobody, "");
            try (Watching watching = new Watching(plan, child)) {
                watching.run();
                child.report(watching.chart(false).length());
            }
            System.exit(0);
        }

        @Override
        public void round(Supplier<Shot> shot) {
            made++;
            if (made % Math.max(1, rounds / 10) == 0) {
                residents.add(Run.peakMegabytes(ProcessHandle.current().pid()));
                System.out.printf(Locale.ROOT,
                        "%6d rounds, %3d MB resident at most, %.1f ms of our CPU a round, all in all%n",
                        made, residents.get(residents.size() - 1), system.getProcessCpuTime() / 1e6 / made);
            }
        }

        private void report(int chart) {
            System.out.printf(Locale.ROOT, "memory: %d MB after a tenth, %d MB at most (wanted: less than %d)%n"
                    + "CPU: %.1f ms a round (wanted: less than %d)%n"
                    + "%d rounds in %d s; the chart of them all has %d kB%n", residents.get(0),
                    Collections.max(residents), MOST_MEGABYTES, system.getProcessCpuTime() / 1e6 / made,
                    MOST_CPU_MILLIS, made, (System.nanoTime() - began) / 1_000_000_000, chart / 1024);
        }

        @Override
        public void event(Incident.Event event) { }

        @Override
        public void idle(Duration most, Supplier<Shot> shot) throws InterruptedException {
            Thread.sleep(1);
            if (made >= rounds) {
                throw new InterruptedException();
            }
        }
    }
}
