///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DESCRIPTION Measures the toolkit on this machine, as ratios within one run
//SOURCES ../runbook/cli/package-info.java
//SOURCES ../runbook/verdict/package-info.java
//SOURCES ../runbook/redact/package-info.java
//SOURCES ../runbook/watching/package-info.java
//SOURCES Cli.java
//SOURCES Repository.java
//SOURCES ScriptCommand.java
//SOURCES Tree.java
//SOURCES BundleBench.java
//SOURCES LogMaker.java
//SOURCES TriageBench.java
//SOURCES WatchBench.java
//SOURCES FleetBench.java

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** {@code ./jbang bench [SUBJECT [OPTIONS]]}: one subject, or each in turn. */
class Bench {
    private interface Subject {
        void measure(List<String> options) throws Exception;
    }

    private static final Map<String, Subject> SUBJECTS = new LinkedHashMap<>();

    static {
        SUBJECTS.put("triage", TriageBench::measure);
        SUBJECTS.put("bundle", BundleBench::measure);
        SUBJECTS.put("watch", WatchBench::measure);
        SUBJECTS.put("fleet", FleetBench::measure);
    }

    private static final String USAGE =
            "Usage: bench [triage [--baseline FILE] [--runs N] | bundle [MEGABYTES] | watch [--rounds N] | fleet]";

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

    private static void end(String why) {
        System.err.println(why);
        System.exit(2);
    }
}
