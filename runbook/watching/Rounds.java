package runbook.watching;

import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.function.Supplier;
import runbook.ApiChecks.EndpointProbe;
import runbook.ApiChecks.Symptom;
import runbook.Checks;
import runbook.Checks.Before;
import runbook.Checks.Check;
import runbook.Checks.Check.Outcome;
import runbook.Checks.Findings;
import runbook.Http;
import runbook.Http.Answer;
import runbook.Http.Reply;
import runbook.Klaviyo.ApiError;
import runbook.OurSide.AppErrors;
import runbook.Prometheus;
import runbook.Settings;
import runbook.StatusPage;
import runbook.Text;
import runbook.watching.Keeper.Condition;
import runbook.watching.Keeper.Happening;
import runbook.watching.Keeper.Reading;
import runbook.watching.Keeper.Result;
import runbook.watching.Keeper.Round;

/** Makes the rounds: triage's own checks, one request each, as many of them as the {@link Pace} allows. */
public final class Rounds implements AutoCloseable {
    private static final Duration WITHOUT_RETRY_AFTER = Duration.ofMinutes(1);
    private static final int LONGEST_WORDS = 160;
    private static final int LONGEST_TROUBLE = 90;

    /**
     * What a round gave.
     *
     * @param round    for the state machine
     * @param vendor   the vendor's updates that are new, oldest first
     * @param requests what it sent to Klaviyo's API
     * @param findings the checks as triage knows them, the status page as it was last read; empty where it never was
     */
    public record Look(Round round, List<Update> vendor, int requests, Optional<Findings> findings) { }

    /**
     * One update on the vendor's status page.
     *
     * @param key      the page's own id of the incident
     * @param at       the vendor's own time; null when it gave none
     * @param incident the incident's name
     * @param status   {@code investigating}, {@code identified}, {@code monitoring}, {@code resolved}, …
     */
    public record Update(String key, Instant at, String incident, String status, String body) {
        /** Tells it apart from every other, also after a restart. */
        String id() {
            return key + " " + at + " " + status;
        }

        Happening happening(long seen) {
            String words = "Klaviyo" + (at == null ? "" : " at " + at) + ": " + incident + ": " + status
                    + (body.isBlank() ? "" : ": " + Text.safe(body, 200));
            return new Happening("status-page", seen, false, words, Map.of(),
                    Map.of("vendorAt", at == null ? "" : at.toString(),
                    "incident", incident, "status", status, "body", body, "update", id()));
        }
    }

    private final Checks checks;
    private final Set<String> names;
    private final Pace pace;
    private final Supplier<Before> journal;
    private final Vendor vendor;
    private final Optional<Backlog> backlog;
    private final Map<String, Reading> known = new LinkedHashMap<>();
    private volatile List<Reading> shown;
    private volatile Optional<Update> newest = Optional.empty();
    private StatusPage status;
    private Before before = Before.NOTHING;

    /**
     * Rounds of what these settings point at.
     *
     * @param names   the checks by triage's names, endpoints one by one; {@code status-page} among them when recovery
     *                depends on it
     * @param told    ids of the vendor's updates that were told before
     * @param backlog the query for the retry queue
     * @param began   when the incident began
     * @param journal what is known of our key; asked whenever Klaviyo refuses it
     */
    public Rounds(Settings settings, Set<String> names, Pace pace, Set<String> told, String backlog, Instant began,
                  Supplier<Before> journal) {
        Settings.Probing wide = settings.probing();
        this.checks = new Checks(settings.withProbing(
                new Settings.Probing(wide.timeout(), 1, wide.slow(), wide.endpoints())));
        this.names = names;
        this.pace = pace;
        this.journal = journal;
        names.forEach(name -> known.put(name, new Reading(name, Result.UNKNOWN, false, 0, "not yet looked at")));
        shown = List.copyOf(known.values());
        this.vendor = new Vendor(checks.http(), settings.target().status(), wide.timeout(), told);
        this.backlog = Optional.ofNullable(settings.target().prometheus())
                .map(address -> new Backlog(new Prometheus(checks.http(), address, wide.timeout()), backlog, began));
    }

    /** The HTTP client of its checks, for whoever else has something to send. */
    public Http http() {
        return checks.http();
    }

    /** The last readings, the status page's among them, in the order in which people read checks. */
    public List<Reading> readings() {
        return shown;
    }

    /** The newest update on an incident of the vendor's that is not over; empty when all is well. */
    public Optional<Update> newest() {
        return newest;
    }

    /** Makes one round with what is due at a moment. */
    public Look look(long now) {
        Set<String> due = pace.due(now);
        due.retainAll(names);
        pace.made(due, now);
        Findings found = checks.run(due);
        before = found.checks().stream().anyMatch(Rounds::refused) ? journal.get() : Before.NOTHING;
        Findings findings = found.with(before);
        // What is not looked at now keeps its last result, and no longer counts as seen.
        known.replaceAll((name, last) -> last.stale());
        findings.checks().stream().filter(check -> due.contains(check.name()))
                .forEach(check -> known.put(check.name(), reading(check, findings)));
        shown = List.copyOf(known.values());
        heed(findings, now);
        List<Update> updates = List.of();
        if (due.contains("status-page")) {
            status = findings.status();
            updates = vendor.read(status);
            newest = status.incidents().stream().filter(StatusPage.Incident::matters).findFirst().map(Vendor::newest);
        }
        List<Condition> asked = new ArrayList<>();
        if (names.contains("status-page") && status != null) {
            asked.add(condition(status));
        }
        backlog.map(Backlog::look).ifPresent(asked::add);
        List<Reading> deciding =
                known.values().stream().filter(reading -> !reading.check().equals("status-page")).toList();
        return new Look(new Round(now, deciding, asked), updates, findings.requestsSpent(),
                Optional.ofNullable(status).map(findings::with));
    }

    private Reading reading(Check check, Findings findings) {
        // Triage counts its samples; here it is always one.
        String words = Text.safe(check.summary().replaceFirst("^1 of 1 (failed: |(?=ok))", ""), LONGEST_WORDS);
        Result result = result(check, findings);
        Optional<String> replaced = refused(check) ? replaced() : Optional.empty();
        String said = replaced.map(why -> "HTTP 401: " + why).orElse(words);
        return new Reading(check.name(), result, true, check.millis(), said);
    }

    private static boolean refused(Check check) {
        return check.outcome() == Outcome.FAIL && Integer.valueOf(401).equals(check.http());
    }

    /** Says that the key of this shell was replaced, and when, if that is why the last round was refused. */
    Optional<String> replaced() {
        return before.replacedAt().map(at -> "this shell's key was replaced at " + at.toString().substring(11, 16)
                + "Z: load the new one and start watch again");
    }

    // A warning is bad where it means slow or unwell; elsewhere it says that something could not be told, or is for
    // later.
    private static Result result(Check check, Findings findings) {
        if (check.outcome() == Outcome.SKIPPED) {
            return Result.UNKNOWN;
        } else if (check.outcome() != Outcome.WARN) {
            return check.outcome() == Outcome.OK ? Result.GOOD : Result.BAD;
        } else if (check.name().startsWith("endpoint:")) {
            boolean slow = findings.endpoints().stream().filter(probe -> probe.check() == check)
                    .anyMatch(EndpointProbe::slow);
            return slow ? Result.BAD : Result.UNKNOWN;
        }
        return switch (check.name()) {
            case "app" -> Result.BAD;
            case "app-errors" -> findings.errors().state() == AppErrors.State.KNOWN ? Result.GOOD : Result.UNKNOWN;
            case "auth" -> findings.auth().symptom() == Symptom.THROTTLED ? Result.UNKNOWN : Result.GOOD;
            default -> Result.GOOD;
        };
    }

    private void heed(Findings findings, long now) {
        findings.limits().windows().forEach((endpoint, window) -> pace.limit(endpoint, window.limit()));
        heed("accounts", findings.auth().answer(), now);
        findings.endpoints().forEach(probe -> probe.samples()
                .forEach(answer -> heed(probe.endpoint().name(), answer, now)));
    }

    private void heed(String endpoint, Answer answer, long now) {
        if (answer instanceof Reply reply && reply.status() == 429) {
            // From the answer's moment, not the round's: an answer may be late.
            pace.hold(endpoint, now + reply.millis(), ApiError.retryAfter(reply).map(Duration::ofSeconds)
                    .orElse(WITHOUT_RETRY_AFTER));
        }
    }

    /** The status page as far as recovery depends on it. A page that cannot be read proves nothing. */
    static Condition condition(StatusPage page) {
        if (page.source() == StatusPage.Source.NONE) {
            String why = Text.safe(page.check().summary(), LONGEST_TROUBLE);
            return new Condition("status-page", false, why + " (--no-status-page leaves it out)");
        }
        List<String> worse = new ArrayList<>();
        List<StatusPage.Incident> ours = page.incidents().stream().filter(StatusPage.Incident::matters).toList();
        ours.stream().filter(incident -> !incident.monitoring())
                .forEach(incident -> worse.add(incident.name() + " is " + incident.status()));
        // While the vendor monitors its fix, a component may still show what was; without an incident it has to be
        // believed.
        if (ours.isEmpty()) {
            page.components().forEach((name, is) -> {
                if (!is.equals("under_maintenance")) {
                    worse.add(name + ": " + is.replace('_', ' '));
                }
            });
        }
        return new Condition("status-page", worse.isEmpty(), worse.isEmpty()
                ? "status page: nothing worse than monitoring"
                : "status page: " + String.join("; ", worse) + " (wanted: monitoring or better)");
    }

    @Override
    public void close() {
        checks.close();
    }

    /**
     * Every update that the vendor writes about an incident that matters, each told once. The page's summary has only
     * unresolved incidents, so when one changes or goes, its whole story is fetched.
     */
    static final class Vendor {
        private final Http http;
        private final URI page;
        private final Duration timeout;
        private final Set<String> told;
        private Map<String, Update> open = Map.of();

        Vendor(Http http, URI page, Duration timeout, Set<String> told) {
            this.http = http;
            this.page = page;
            this.timeout = timeout;
            this.told = new HashSet<>(told);
        }

        static Update newest(StatusPage.Incident incident) {
            return new Update(incident.id(), incident.updated(), incident.name(), incident.status(), incident.update());
        }

        /** What is new since the last call, oldest first. */
        List<Update> read(StatusPage summary) {
            if (summary.source() == StatusPage.Source.NONE) {
                return List.of();
            }
            Map<String, Update> now = new LinkedHashMap<>();
            summary.incidents().stream().filter(StatusPage.Incident::matters)
                    .forEach(incident -> now.put(incident.id(), newest(incident)));
            if (now.equals(open)) {
                return List.of();
            }
            Set<String> concerned = new HashSet<>(open.keySet());
            concerned.addAll(now.keySet());
            List<Update> stories = summary.source() == StatusPage.Source.JSON ? stories(concerned) : List.of();
            open = now;
            return (stories.isEmpty() ? List.copyOf(now.values()) : stories).stream()
                    .filter(update -> told.add(update.id())).toList();
        }

        private List<Update> stories(Set<String> concerned) {
            try {
                return StatusPage.history(page, http, timeout).stream()
                        .filter(incident -> concerned.contains(incident.id()))
                        .flatMap(incident -> incident.updates().stream().map(update ->
                                new Update(incident.id(), update.at(), incident.name(), update.status(),
                                        update.body())))
                        .sorted(Comparator.comparing(Update::at, Comparator.nullsFirst(Comparator.naturalOrder())))
                        .toList();
            } catch (IOException e) {
                return List.of();
            }
        }
    }

    /** Our application's retry queue as Prometheus has it, now and before the incident. */
    private static final class Backlog {
        // Far enough before the first sign that the queue was not filling yet, long enough to hold an ordinary peak.
        private static final Duration BEFORE_FROM = Duration.ofHours(3);
        private static final Duration BEFORE_TO = Duration.ofHours(1);
        private static final int POINTS = 120;
        // A query that gives no number this often in a row will not give one: it no longer holds recovery back.
        private static final int MOST_NONSENSE = 5;

        private final Prometheus prometheus;
        private final String query;
        private final Instant began;
        private OptionalDouble level = OptionalDouble.empty();
        private boolean lookedBack;
        private int nonsense;

        private Backlog(Prometheus prometheus, String query, Instant began) {
            this.prometheus = prometheus;
            this.query = query;
            this.began = began;
        }

        /** Asks, and says what it comes to. Without a level from before, only an empty queue will do. */
        private Condition look() {
            if (!lookedBack) {
                Prometheus.Result before =
                        prometheus.range(query, began.minus(BEFORE_FROM), began.minus(BEFORE_TO), POINTS);
                lookedBack = before.ok();
                level = before.total().stream().mapToDouble(Prometheus.Point::value).max();
            }
            Prometheus.Result result = prometheus.instant(query);
            if (!result.ok() || result.series().isEmpty()) {
                String nothing = "Prometheus knows no " + Text.safe(query, 60);
                return unknown(result.ok() ? nothing : "Prometheus: " + result.trouble());
            }
            double now = result.series().stream().mapToDouble(Prometheus.Series::last)
                    .filter(Double::isInfinite).findFirst().orElse(result.sum().orElse(Double.NaN));
            if (!Double.isFinite(now)) {
                nonsense++;
                String infinite = now > 0 ? "+Inf" : "-Inf";
                String said = "Prometheus gives " + (Double.isNaN(now) ? "NaN" : infinite)
                        + ", which is no number of calls";
                return nonsense < MOST_NONSENSE ? unknown(said)
                        : new Condition("backlog", true, "retry backlog left out: " + said + " (mend --backlog)");
            }
            nonsense = 0;
            String was = level.isPresent() ? words(level.getAsDouble()) + " before the incident"
                    : "nothing known from before the incident: 0 wanted";
            return new Condition("backlog", now <= level.orElse(0), "retry backlog " + words(now) + ", " + was);
        }

        private static Condition unknown(String why) {
            return new Condition("backlog", false, "retry backlog unknown: " + why);
        }

        private static String words(double value) {
            return String.format(Locale.ROOT, value == Math.rint(value) ? "%.0f" : "%.1f", value);
        }
    }
}
