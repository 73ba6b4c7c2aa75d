package runbook.watching;

import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import runbook.Http.Answer;
import runbook.Http.Reply;
import runbook.Klaviyo.ApiError;
import runbook.Http;
import runbook.Settings;
import runbook.Text;
import runbook.OurSide.AppErrors;
import runbook.Checks.Check;
import runbook.Checks.Check.Outcome;
import runbook.Checks;
import runbook.ApiChecks.EndpointProbe;
import runbook.Checks.Findings;
import runbook.StatusPage;
import runbook.ApiChecks.Symptom;
import runbook.watching.Reading.Result;

/** Makes the rounds: triage's own checks, one request each, as many of them as the {@link Pace} allows. */
public final class Observer implements AutoCloseable {
    private static final Duration WITHOUT_RETRY_AFTER = Duration.ofMinutes(1);
    private static final int LONGEST_WORDS = 160;

    /**
     * What a round gave.
     *
     * @param round    for the state machine
     * @param updates  the vendor's updates that are new, oldest first
     * @param requests what it sent to Klaviyo's API
     * @param findings the checks as triage knows them, the status page as it was last read; empty where it never was
     */
    public record Look(Round round, List<Update> updates, int requests, Optional<Findings> findings) { }

    private final Checks checkup;
    private final Settings settings;
    private final Set<String> checks;
    private final Pace pace;
    private final boolean withPage;
    private final VendorLog vendor;
    private final Optional<RetryQueue> backlog;
    private final Map<String, Reading> known = new LinkedHashMap<>();
    private volatile List<Reading> shown;
    private StatusPage status;
    private Page page;

    /**
     * An observer of what these settings point at.
     *
     * @param checks  by triage's names, endpoints one by one; {@code status-page} among them when recovery depends on it
     * @param told    ids of the vendor's updates that were told before
     * @param backlog the query for the retry queue; empty when nobody asks
     * @param began   when the incident began
     */
    public Observer(Settings settings, Set<String> checks, Pace pace, Set<String> told, Optional<String> backlog, Instant began) {
        Settings.Probing wide = settings.probing();
        this.settings = settings.withProbing(new Settings.Probing(wide.timeout(), 1, wide.slow(), wide.endpoints()));
        this.checks = checks;
        this.pace = pace;
        checks.forEach(check -> known.put(check, new Reading(check, Result.UNKNOWN, false, 0, "not yet looked at")));
        shown = List.copyOf(known.values());
        this.withPage = checks.contains("status-page");
        this.checkup = new Checks(this.settings);
        this.vendor = new VendorLog(checkup.http(), settings.target().status(), wide.timeout(), told);
        this.backlog = backlog.filter(query -> settings.target().prometheus() != null)
                .map(query -> new RetryQueue(checkup.http(), settings.target().prometheus(), query, began, wide.timeout()));
    }

    /** The HTTP client of its checks, for whoever else has something to send. */
    public Http http() {
        return checkup.http();
    }

    /** Makes one round with what is due at a moment. */
    public Look look(long now) {
        Set<String> due = pace.due(now);
        due.retainAll(checks);
        pace.made(due, now);
        Findings findings = checkup.run(due);
        // What is not looked at now keeps its last result, and no longer counts as seen.
        known.replaceAll((name, last) -> last.stale());
        findings.checks().stream().filter(check -> due.contains(check.name())).forEach(check -> known.put(check.name(),
                new Reading(check.name(), result(check, findings), true, check.millis(), words(check))));
        shown = List.copyOf(known.values());
        heed(findings, now);
        List<Update> updates = List.of();
        if (due.contains("status-page")) {
            status = findings.status();
            page = Page.of(status);
            updates = vendor.read(status);
        }
        Round round = new Round(
                now,
                known.values().stream()
                        .filter(reading -> !reading.check().equals("status-page"))
                        .toList(),
                withPage ? page : null,
                backlog.map(RetryQueue::look).orElse(null));
        return new Look(round, updates, findings.requestsSpent(), Optional.ofNullable(status).map(findings::with));
    }

    // Triage counts its samples; here it is always one.
    private static String words(Check check) {
        return Text.safe(check.summary().replaceFirst("^1 of 1 (failed: |(?=ok))", ""), LONGEST_WORDS);
    }

    // A warning is bad where it means slow or unwell; elsewhere it says that something could not be told, or is for later.
    private static Result result(Check check, Findings findings) {
        if (check.outcome() == Outcome.SKIPPED) {
            return Result.UNKNOWN;
        } else if (check.outcome() != Outcome.WARN) {
            return check.outcome() == Outcome.OK ? Result.GOOD : Result.BAD;
        } else if (check.name().startsWith("endpoint:")) {
            return findings.endpoints().stream()
                            .filter(probe -> probe.check() == check)
                            .anyMatch(EndpointProbe::slow)
                    ? Result.BAD
                    : Result.UNKNOWN;
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
        findings.endpoints().forEach(probe -> probe.samples().forEach(answer -> heed(probe.endpoint().name(), answer, now)));
    }

    private void heed(String endpoint, Answer answer, long now) {
        if (answer instanceof Reply reply && reply.status() == 429) {
            // From the answer's moment, not the round's: an answer may be late.
            pace.hold(
                    endpoint,
                    now + reply.millis(),
                    ApiError.retryAfter(reply).map(Duration::ofSeconds).orElse(WITHOUT_RETRY_AFTER));
        }
    }

    /** The last readings, the status page's among them, in the order in which people read checks. */
    public List<Reading> readings() {
        return shown;
    }

    @Override
    public void close() {
        checkup.close();
    }
}
