package runbook.bundle;

import java.nio.file.Path;
import java.time.Duration;
import java.time.ZoneId;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import runbook.Cli.Launcher;
import runbook.Settings;
import runbook.Incident;
import runbook.redact.Redactor.Policy;

/**
 * What to collect, and how.
 *
 * @param settings where Klaviyo and our application are
 * @param launcher how this was started, for the commands that triage suggests
 * @param window   the time it is about
 * @param logs     which lines
 * @param sources  where logs are
 * @param queries  PromQL besides the runbook's metric
 * @param environment variables and projects to look at
 * @param incident the incident's folder, if there is one
 * @param policy   what may stay and what is known
 * @param limits   how long and how large
 * @param version  of the toolkit
 */
public record BundleRequest(
        Settings settings,
        Launcher launcher,
        Window window,
        Lines logs,
        Sources sources,
        List<String> queries,
        Environment environment,
        Optional<Incident> incident,
        Policy policy,
        Limits limits,
        String version) {
    /** Which lines of logs: those with these words (none: all), so many lines around them, times without a zone in this one. */
    public record Lines(String words, int around, ZoneId zone) { }

    /**
     * Where logs are: each list may be empty, and as long as one likes.
     *
     * @param files     files, folders or patterns
     * @param journal   systemd units
     * @param journalDirectory where journal files are, or null for this machine's
     * @param k8s       {@code NAMESPACE/SELECTOR}
     * @param docker    containers
     * @param gcp       Google Cloud logging filters
     * @param aws       CloudWatch log groups
     * @param loki      Loki's address and queries
     */
    public record Sources(
            List<String> files,
            List<String> journal,
            String journalDirectory,
            List<String> k8s,
            List<String> docker,
            List<String> gcp,
            List<String> aws,
            Loki loki) {}

    /** Loki's address (or null) and LogQL queries. */
    public record Loki(java.net.URI address, List<String> queries) { }

    /** Names of environment variables besides {@code KLAVIYO_*}, and project folders. */
    public record Environment(List<String> variables, List<Path> projects) { }

    /**
     * Limits.
     *
     * @param size of the archive in bytes
     * @param time for all together
     * @param each for one collector
     */
    public record Limits(long size, Duration time, Duration each) { }

    LineChoice.Wanted wanted() {
        return new LineChoice.Wanted(logs.words(), logs.around(), window, logs.zone());
    }

    Set<String> kept() {
        return policy.kept();
    }
}
