///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//COMPILE_OPTIONS -encoding UTF-8 -XDstringConcat=inline -proc:none -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC
//MAIN Bench
//DESCRIPTION Measures the toolkit on this machine, as ratios within one run
//DEPS info.picocli:picocli:4.7.7
//DEPS com.fasterxml.jackson.core:jackson-databind:2.22.4
//DEPS com.fasterxml.jackson.dataformat:jackson-dataformat-csv:2.22.4
//DEPS org.jsoup:jsoup:1.24.1
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
//SOURCES ../runbook/ApiChecks.java
//SOURCES ../runbook/Chart.java
//SOURCES ../runbook/Checks.java
//SOURCES ../runbook/Cli.java
//SOURCES ../runbook/DecisionTree.java
//SOURCES ../runbook/Http.java
//SOURCES ../runbook/Incident.java
//SOURCES ../runbook/Key.java
//SOURCES ../runbook/Klaviyo.java
//SOURCES ../runbook/LogReader.java
//SOURCES ../runbook/Message.java
//SOURCES ../runbook/NetworkPath.java
//SOURCES ../runbook/OurSide.java
//SOURCES ../runbook/Page.java
//SOURCES ../runbook/Prometheus.java
//SOURCES ../runbook/Screen.java
//SOURCES ../runbook/Settings.java
//SOURCES ../runbook/StatusPage.java
//SOURCES ../runbook/Text.java
//SOURCES ../runbook/Tool.java
//SOURCES ../runbook/Verdict.java
//SOURCES runbook/sandbox/ControlledSandbox.java
//SOURCES ../runbook/redact/Encoded.java
//SOURCES ../runbook/redact/Redactor.java
//SOURCES ../runbook/redact/Rules.java
//SOURCES ../runbook/sandbox/FakeKlaviyo.java
//SOURCES ../runbook/sandbox/Sandbox.java
//SOURCES ../runbook/sandbox/Sites.java
//SOURCES ../runbook/watching/Keeper.java
//SOURCES ../runbook/watching/Memory.java
//SOURCES ../runbook/watching/Pace.java
//SOURCES ../runbook/watching/Rounds.java
//SOURCES ../runbook/watching/Telling.java
//SOURCES ../runbook/watching/Watching.java

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
        SUBJECTS.put("start", StartBench::measure);
        SUBJECTS.put("triage", TriageBench::measure);
        SUBJECTS.put("bundle", BundleBench::measure);
        SUBJECTS.put("watch", WatchBench::measure);
        SUBJECTS.put("fleet", TriageBench::fleet);
    }

    private static final String USAGE =
            "Usage: bench [start [--latency MS] [ALIAS...] | triage [--baseline FILE] [--runs N] | bundle [MEGABYTES] | watch [--rounds N] | fleet]";

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
