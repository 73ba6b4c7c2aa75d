///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8 -XDstringConcat=inline -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -J-Xms64m
//MAIN Bench
//DESCRIPTION Measures the toolkit on this machine, as ratios within one run
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-csv:2.22.4
//DEPS com.samskivert:jmustache:1.16
//DEPS org.commonmark:commonmark:0.29.0
//FILES templates/=../templates/scenarios.json
//SOURCES BundleBench.java
//SOURCES LogMaker.java
//SOURCES LoopbackServer.java
//SOURCES Repository.java
//SOURCES Run.java
//SOURCES StartBench.java
//SOURCES Tree.java
//SOURCES TriageBench.java
//SOURCES WatchBench.java
// It starts debug-bundle from its own jar.
//SOURCES ../debug-bundle.java
//SOURCES ../runbook/*.java
//SOURCES ../runbook/redact/*.java
//SOURCES ../runbook/sandbox/*.java
//SOURCES ../runbook/watching/*.java
//SOURCES ../runbook/bundle/*.java
//SOURCES runbook/sandbox/*.java

import java.util.*;

/** {@code ./jbang bench [SUBJECT [OPTIONS]]}: one subject, or each in turn. */
class Bench {
    private interface Subject {
        void measure(List<String> options) throws Exception;
    }

    private static final Map<String, Subject> SUBJECTS = new LinkedHashMap<>();

    static {
        SUBJECTS.put("start", StartBench::measure);
        SUBJECTS.put("triage", TriageBench::measure);
        SUBJECTS.put("bundle", BundleBench::measure);
        SUBJECTS.put("watch", WatchBench::measure);
        SUBJECTS.put("fleet", TriageBench::fleet);
    }

    private static final String USAGE =
            "Usage: bench [start [--latency MS] [ALIAS...] | triage [--baseline FILE] [--runs N] | bundle [MEGABYTES] "
                    + "| watch [--rounds N] | fleet]";

    public static void main(String... args) throws Exception {
        List<String> options = Arrays.asList(args);
        if (!options.isEmpty() && !SUBJECTS.containsKey(options.get(0))) {
            end(USAGE);
        }
        try {
            if (!options.isEmpty()) {
                SUBJECTS.get(options.get(0)).measure(options.subList(1, options.size()));
            } else {
                for (Map.Entry<String, Subject> subject : SUBJECTS.entrySet()) {
                    System.out.println("== " + subject.getKey());
                    subject.getValue().measure(List.of());
                }
            }
        } catch (NumberFormatException e) {
            end("a number was expected (" + e.getMessage() + "). " + USAGE);
        }
        System.exit(0);
    }

    /** What stands behind an option; {@code otherwise} where it is not given. */
    static String option(List<String> options, String name, String otherwise) {
        int at = options.indexOf(name);
        return at < 0 || at + 1 == options.size() ? otherwise : options.get(at + 1);
    }

    static long median(List<Long> millis) {
        return millis.stream().sorted().skip(millis.size() / 2).findFirst().orElseThrow();
    }

    private static void end(String why) {
        System.err.println(why);
        System.exit(2);
    }
}
