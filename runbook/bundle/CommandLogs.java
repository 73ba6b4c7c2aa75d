package runbook.bundle;

import java.io.IOException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;

/**
 * Logs that one command prints.
 *
 * @param name   of the collector
 * @param file   what its output is called in the archive
 * @param words  the command line
 * @param merged whether the tool logs to standard error too
 * @param wanted which lines
 */
record CommandLogs(String name, String file, List<String> words, boolean merged, LineChoice.Wanted wanted) implements Collector {
    /** The systemd journal of a unit, from {@code directory} or, when that is null, from this machine's. */
    static CommandLogs journal(String unit, String directory, LineChoice.Wanted wanted) {
        List<String> words = new java.util.ArrayList<>(List.of(
                "journalctl",
                "--no-pager",
                "--quiet",
                "--output=short-iso-precise",
                "--utc",
                "--since=@" + wanted.window().from().getEpochSecond(),
                "--until=@" + (wanted.window().to().getEpochSecond() + 1)));
        if (directory != null) {
            words.add("--directory=" + directory);
        }
        if (!unit.equals("*")) {
            words.add("--unit=" + unit);
        }
        return new CommandLogs("application/journal " + unit, "journal/" + unit + ".log", words, false, wanted);
    }

    /** A container's output. */
    static CommandLogs docker(String container, LineChoice.Wanted wanted) {
        return new CommandLogs(
                "application/docker " + container,
                "docker/" + container + ".log",
                List.of(
                        "docker",
                        "logs",
                        "--timestamps",
                        "--since",
                        seconds(wanted.window().from()),
                        "--until",
                        seconds(wanted.window().to()),
                        container),
                true,
                wanted);
    }

    /** Google Cloud's logs by a filter, to which the window is added. */
    static CommandLogs gcp(String filter, LineChoice.Wanted wanted) {
        String window = "timestamp>=\"" + seconds(wanted.window().from()) + "\" AND timestamp<=\""
                + seconds(wanted.window().to()) + "\"";
        return new CommandLogs(
                "application/gcp-logs " + filter,
                "gcp/logs.log",
                List.of(
                        "gcloud",
                        "logging",
                        "read",
                        "(" + filter + ") AND " + window,
                        "--order=asc",
                        "--quiet",
                        "--format=value(timestamp,severity,resource.labels,textPayload,jsonPayload)"),
                false,
                wanted);
    }

    /** A log group of Amazon's CloudWatch. */
    static CommandLogs aws(String group, LineChoice.Wanted wanted) {
        return new CommandLogs(
                "application/aws-logs " + group,
                "aws/" + group + ".log",
                List.of(
                        "aws",
                        "logs",
                        "filter-log-events",
                        "--log-group-name",
                        group,
                        "--start-time",
                        Long.toString(wanted.window().from().toEpochMilli()),
                        "--end-time",
                        Long.toString(wanted.window().to().toEpochMilli()),
                        "--output",
                        "text",
                        "--query",
                        "events[].[timestamp,logStreamName,message]"),
                false,
                wanted);
    }

    private static String seconds(Instant time) {
        return time.truncatedTo(ChronoUnit.SECONDS).toString();
    }

    @Override
    public List<Planned> plan() {
        return List.of(new Planned(String.join(" ", words), -1));
    }

    @Override
    public void collect(Sink sink) throws IOException {
        collect(sink, file, words, merged, wanted);
    }

    /** Runs it; an exit code other than 0 is trouble, and what it printed is kept all the same. */
    static void collect(Sink sink, String file, List<String> words, boolean merged, LineChoice.Wanted wanted) throws IOException {
        try (Child child = sink.start(words, merged)) {
            Item.Origin[] origin = new Item.Origin[1];
            sink.stream(file, child.output(), Long.MAX_VALUE, wanted, () -> origin[0] = child.origin());
            if (origin[0] != null && !Integer.valueOf(0).equals(origin[0].exitCode())) {
                sink.trouble(words.get(0) + " ended with "
                        + (origin[0].exitCode() == null ? "no exit code yet" : "exit code " + origin[0].exitCode())
                        + ": " + origin[0].stderr());
            }
        }
    }
}
