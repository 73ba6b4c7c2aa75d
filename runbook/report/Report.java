package runbook.report;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import runbook.Http;
import runbook.Text.Json;
import runbook.Incident;
import runbook.Message.Template;

/** A postmortem made from what was recorded, and kept up to date without touching what people wrote into it. */
public final class Report {
    private final Evidence evidence;
    private final Story story;

    /**
     * What came of writing.
     *
     * @param text     the Markdown
     * @param kept     generated parts that somebody edited; left alone, newer text offered beside them
     * @param left     generated parts that somebody removed; not put back
     */
    public record Written(String text, List<String> kept, List<String> left) { }

    /**
     * Where to look, and what is known beforehand.
     *
     * @param incident   the folder; empty when there is none
     * @param bundle     a debug bundle; empty for the newest in the folder, if there is one
     * @param http       for status page and Prometheus; null when both are
     * @param status     the vendor's status page; null not to ask it
     * @param prometheus Prometheus; null not to ask it
     * @param queries    what to ask it
     * @param timeout    for each request
     * @param now        the time of writing
     * @param lead       who leads; empty for whom the journal names
     * @param drill      the drill's scenario; empty for what the journal says
     * @param command    what starts this script, for the reader to paste: {@code ./jbang postmortem}
     */
    public record Sources(
            Optional<Incident> incident,
            Optional<Path> bundle,
            Http http,
            URI status,
            URI prometheus,
            Prometheus.Queries queries,
            Duration timeout,
            Instant now,
            Optional<String> lead,
            Optional<String> drill,
            String command) { }

    private Report(Evidence evidence, Story story) {
        this.evidence = evidence;
        this.story = story;
    }

    /**
     * Gathers the evidence. What cannot be had becomes one of {@link #missing()}.
     *
     * @throws runbook.Problem when the bundle is none
     */
    public static Report of(Sources sources) {
        Evidence evidence = Evidence.gather(sources);
        return new Report(evidence, new Story(evidence, sources));
    }

    /** What the incident's folder alone has: no request is made. */
    public static Report recorded(Incident incident, Instant now) {
        return of(new Sources(
                Optional.of(incident),
                Optional.empty(),
                null,
                null,
                null,
                Prometheus.Queries.USUAL,
                Duration.ZERO,
                now,
                Optional.empty(),
                Optional.empty(),
                "postmortem"));
    }

    /**
     * The Markdown by a template: new, or the existing text with its generated parts brought up to date.
     *
     * @throws runbook.Problem when the template uses a field that does not exist
     */
    public Written markdown(Template template, Optional<String> existing) {
        String fresh = Regions.stamped(template.fill(story.values()));
        if (existing.isEmpty()) {
            return new Written(fresh, List.of(), List.of());
        }
        Regions.Merged merged = Regions.merge(existing.get(), fresh);
        return new Written(merged.text(), merged.kept(), merged.gone());
    }

    /** The page for that Markdown, with the timeline drawn to scale. */
    public String html(String markdown) {
        return Page.html(
                markdown,
                Picture.of(story, evidence.metrics()),
                (story.drill().isEmpty() ? "" : "DRILL: ") + "Incident: " + story.title());
    }

    /** {@code Klaviyo 401 Authentication Failure}. */
    public String title() {
        return story.title();
    }

    /** As triage names it; {@code unknown} when nothing was diagnosed. */
    public String diagnosis() {
        return story.diagnosis();
    }

    /** {@code P1} to {@code P4} at its worst; empty when nothing said. */
    public String severity() {
        return story.severity();
    }

    /** Whoever leads; empty when nobody is recorded. */
    public String lead() {
        return story.lead();
    }

    /** The drill's scenario, empty in earnest. */
    public String drill() {
        return story.drill();
    }

    /** The first sign of trouble. */
    public Optional<Instant> began() {
        return story.moments().began();
    }

    /** When it worked again. */
    public Optional<Instant> restored() {
        return story.moments().restored();
    }

    /** When the incident was closed. */
    public Optional<Instant> closed() {
        return story.moments().closed();
    }

    /** What is known in a few fields, for machines: null where nothing is. */
    public ObjectNode json() {
        return Json.object().put("drill", drill().isEmpty() ? null : drill())
                .put("title", title())
                .put("diagnosis", diagnosis())
                .put("severity", severity())
                .put("lead", lead())
                .put("began", began().map(Instant::toString).orElse(null))
                .put("restored", restored().map(Instant::toString).orElse(null))
                .put("closed", closed().map(Instant::toString).orElse(null))
                .put("entries", entries());
    }

    /** How many entries its timeline has. */
    public int entries() {
        return story.entries().size();
    }

    /** What was not to be had, or not as it should be: a sentence each. */
    public List<String> missing() {
        return new ArrayList<>(evidence.missing());
    }
}
