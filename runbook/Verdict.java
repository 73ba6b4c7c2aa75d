package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.time.DayOfWeek;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Collectors;
import runbook.ApiChecks.Symptom;
import runbook.Checks.Check;
import runbook.Checks.Findings;
import runbook.DecisionTree.Diagnosis;
import runbook.DecisionTree.Facts;
import runbook.DecisionTree.Step;
import runbook.OurSide.AppHealth;
import runbook.OurSide.Webhook;
import runbook.Text.Durations;
import runbook.Text.Json;
import runbook.Cli.Launcher;
import runbook.Incident.Event;
import runbook.Klaviyo.Revision;

/**
 * What is broken, how bad, and how that was found.
 *
 * @param findings  what it rests on
 * @param since     since when it has been this bad, or worse: the checkup's beginning, unless an incident is older
 * @param diagnosis the worst that holds
 * @param severity  empty when healthy, undecided, or only a key is missing
 * @param also      what holds besides, worst first
 * @param reason    why this severity, one sentence
 * @param path      the questions that led to the diagnosis, and their answers
 * @param others    the reasons of {@code also}, in its order
 */
public record Verdict(Findings findings, Instant since, Diagnosis diagnosis, Optional<Severity> severity,
        List<Diagnosis> also, String reason, List<Step> path, List<String> others) {
    /** Exit code when triage could not tell, or has no key to ask with. */
    public static final int UNDECIDED = 20;

    private record Candidate(Diagnosis diagnosis, Impact impact, List<Step> path) {
        /** P1 to P3, then what could not be told, then P4, then healthy. */
        int rank() {
            if (diagnosis == Diagnosis.HEALTHY) {
                return 9;
            }
            return impact.severity() == null ? 5 : impact.severity() == Severity.P4 ? 6 : impact.severity().ordinal();
        }
    }

    /** Walks the decision tree over what was found. */
    public static Verdict of(Findings findings) {
        Map<Diagnosis, Candidate> holding = new LinkedHashMap<>();
        for (DecisionTree.Tree.End end : DecisionTree.ROOT.walk(findings)) {
            holding.putIfAbsent(
                    end.diagnosis(), new Candidate(end.diagnosis(), Impact.of(end.diagnosis(), findings), end.path()));
        }
        if (holding.size() > 1) {
            holding.remove(Diagnosis.HEALTHY);
        }
        List<Candidate> worstFirst = holding.values().stream()
                .sorted(Comparator.comparingInt(Candidate::rank).thenComparing(Candidate::diagnosis)).toList();
        Candidate lead = worstFirst.get(0);
        List<Candidate> rest = worstFirst.subList(1, worstFirst.size());
        return new Verdict(findings, findings.at(), lead.diagnosis, Optional.ofNullable(lead.impact.severity()),
                rest.stream().map(Candidate::diagnosis).toList(), lead.impact.reason(), lead.path,
                rest.stream().map(candidate -> candidate.impact.reason()).toList());
    }

    /** The same verdict as part of an incident: the time to respond counts from when it was first this bad, or worse. */
    public Verdict in(List<Event> incident) {
        Instant first = since;
        for (Event event : incident) {
            String then = event.data().path("severity").asText("P9");
            boolean thisBad = severity.isPresent() && then.compareTo(severity.get().name()) <= 0;
            if (event.event().equals(Event.RECOVERED)) {
                first = since;
            } else if (thisBad && event.at().isBefore(first)) {
                first = event.at();
            }
        }
        return new Verdict(findings, first, diagnosis, severity, also, reason, path, others);
    }

    /** Whether nothing is wrong. */
    public boolean healthy() {
        return diagnosis == Diagnosis.HEALTHY;
    }

    /** Triage's exit code: 0 healthy, 11 to 14 for P1 to P4, 20 when it could not tell. */
    public int exitCode() {
        return healthy() ? 0 : severity.map(Severity::exitCode).orElse(UNDECIDED);
    }

    /** The diagnosis in one line, with what makes it this one. */
    public String title() {
        return diagnosis.title();
    }

    /** By when somebody has to respond; empty without a severity. */
    public Optional<Instant> respondBy() {
        return severity.map(level -> level.respondBy(since).truncatedTo(ChronoUnit.SECONDS));
    }

    /** What to do next, in order. */
    public List<Action> actions(Launcher launcher) {
        return Actions.of(this, launcher);
    }

    /** The decision tree as lines, the walked path marked with {@code >}. */
    public List<String> explain(boolean ascii) {
        return DecisionTree.draw(path, ascii);
    }

    /**
     * The object that {@code triage --json} prints and leaves in the incident folder.
     *
     * @param incident the incident's folder, or null
     */
    public JsonNode json(Launcher launcher, String incident) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("schema", 1);
        json.put("at", findings.at().truncatedTo(ChronoUnit.MILLIS));
        json.put("drill", findings.settings().drill().orElse(null));
        json.put("healthy", healthy());
        json.put("severity", severity.orElse(null));
        json.put("diagnosis", diagnosis.id());
        json.put("also", also.stream().map(Diagnosis::id).toList());
        json.put("title", title());
        json.put("reason", reason);
        json.put("respondBy", respondBy().orElse(null));
        json.put("path", steps());
        json.put("checks", findings.checks().stream().map(Check::json).toList());
        json.put("actions", actions(launcher).stream().map(Action::json).toList());
        json.put("requestsSpent", findings.requestsSpent());
        json.put("incident", incident);
        return Json.of(json);
    }

    /** What the journal's {@code diagnosed} event carries. */
    public Map<String, Object> journalData() {
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("diagnosis", diagnosis.id());
        data.put("severity", severity.orElse(null));
        data.put("title", title());
        data.put("reason", reason);
        data.put("also", also.stream().map(Diagnosis::id).toList());
        data.put("path", steps());
        data.put("checks", findings.checks().stream()
                .filter(check -> check.outcome() != Check.Outcome.SKIPPED)
                .map(Check::inShort)
                .toList());
        findings.settings().drill().ifPresent(scenario -> data.put("drill", scenario));
        return data;
    }

    private List<Map<String, String>> steps() {
        return path.stream().map(step -> Map.of("question", step.question(), "answer", step.answer())).toList();
    }

    /** The runbook's severities, worst first, with the time within which somebody has to respond. */
    public enum Severity {
        /** Complete outage. */
        P1("complete outage", Duration.ofMinutes(15), 11),
        /** Degraded service. */
        P2("degraded service", Duration.ofHours(1), 12),
        /** Minor impact. */
        P3("minor impact", Duration.ofHours(4), 13),
        /** No user impact. */
        P4("no user impact", null, 14);

        private final String meaning;
        private final Duration within;
        private final int exitCode;

        Severity(String meaning, Duration within, int exitCode) {
            this.meaning = meaning;
            this.within = within;
            this.exitCode = exitCode;
        }

        /** The runbook's definition in two words. */
        public String meaning() {
            return meaning;
        }

        /** Triage's exit code for it. */
        public int exitCode() {
            return exitCode;
        }

        /** The moment by which to respond; for P4, nine o'clock UTC on the next business day. */
        public Instant respondBy(Instant from) {
            if (within != null) {
                return from.plus(within);
            }
            LocalDate day = LocalDate.ofInstant(from, ZoneOffset.UTC).plusDays(1);
            while (day.getDayOfWeek() == DayOfWeek.SATURDAY || day.getDayOfWeek() == DayOfWeek.SUNDAY) {
                day = day.plusDays(1);
            }
            return day.atTime(9, 0).toInstant(ZoneOffset.UTC);
        }

        /** The response time in words. */
        public String responseTime() {
            return within == null ? "next business day" : within.toMinutes() < 60 ? "15 min" : within.toHours() + " h";
        }
    }

    /**
     * One thing to do.
     *
     * @param text    what and why, one sentence
     * @param command ready to paste, or null
     */
    public record Action(String text, String command) {
        JsonNode json() {
            return Json.object().put("text", text).put("command", command);
        }
    }

    /**
     * The runbook's immediate actions, and more, for each diagnosis: data to edit. What they quote is never a secret; names
     * in capitals are for the reader to fill in.
     */
    static final class Actions {
        private interface Template extends BiFunction<Verdict, Launcher, Action> { }

        private static final Template TELL = ours("Tell people within 5 minutes, then at least every 20", "triage",
                "--announce both");
        private static final Template WATCH = ours("Watch for recovery", "watch", "");
        private static final Template EVIDENCE = ours("Collect evidence that is safe to share", "debug-bundle", "--since 2h");
        private static final Template FALLBACK = say("Enable fallback mode: the application has to work without Klaviyo, and queue failed requests for retry");
        private static final Template TICKET = both("Open a ticket at Klaviyo support with the cf-ray ids from the bundle",
                "https://help.klaviyo.com/hc/en-us/requests/new");
        private static final Template PAGE = run("Read the status page's newest update",
                verdict -> "curl -gsS --max-time 10 " + target(verdict).status() + "/api/v2/summary.json");
        private static final Template ROTATE = rotate("Make a new private key in Klaviyo (Settings > API keys > Create Private API Key), then replace it everywhere", "--dry-run");
        private static final Template WRITE_UP = ours("Write it up once it is over", "postmortem", "");

        private static final Map<Diagnosis, List<Template>> TABLE = new EnumMap<>(Diagnosis.class);

        static {
            TABLE.put(Diagnosis.KLAVIYO_OUTAGE, List.of(FALLBACK, TELL, PAGE, WATCH, EVIDENCE, WRITE_UP));
            TABLE.put(Diagnosis.SILENT_OUTAGE, List.of(FALLBACK, TELL, TICKET, WATCH, EVIDENCE,
                    say("Do not wait for the status page: it has been a day late before (April 2026)"), WRITE_UP));
            TABLE.put(Diagnosis.KLAVIYO_DEGRADED, List.of(
                    say("Retry with backoff, and queue what fails: events may arrive late, do not send them twice by hand"),
                    PAGE, TELL, WATCH, EVIDENCE));
            TABLE.put(Diagnosis.SERVER_ERROR, List.of(
                    say("Retry 5xx with backoff and jitter; check that 502 is retried too, which Klaviyo's SDKs do not do"),
                    WATCH, TELL, EVIDENCE, TICKET));
            TABLE.put(Diagnosis.NETWORK, List.of(
                    say("Try another network (mobile), or run this where the application runs: it may be only this machine"),
                    run("Look up the name, and follow the way", verdict -> "getent hosts " + host(verdict)
                            + "; curl -gsSv --max-time 10 -o /dev/null " + target(verdict).api()),
                    run("Check proxy and firewall", verdict -> "env | grep -i _proxy= | sed 's#//[^@]*@#//#'"),
                    say("No status page either: look at @klaviyo from a phone"), WATCH));
            TABLE.put(Diagnosis.KEY_MALFORMED, List.of(
                    say("Correct how the key is stored: the bare key, without quotes, white space, 'Bearer' or a line end"),
                    run("Google: store it again from a file without a line end",
                            verdict -> "gcloud secrets versions add klaviyo-key --data-file=KEYFILE"),
                    run("AWS: the same",
                            verdict -> "aws secretsmanager put-secret-value --secret-id klaviyo-key --secret-string file://KEYFILE"),
                    rotate("Or let it be stored, read back and verified", ""), ours("Check again", "triage", "")));
            TABLE.put(Diagnosis.KEY_INVALID, List.of(
                    say("Ask who disabled or replaced the key: Klaviyo > Settings > API keys shows its state"), ROTATE,
                    ours("By hand instead? After storing the new key, restart the application, and check", "triage", ""),
                    TELL, WATCH, EVIDENCE, WRITE_UP));
            TABLE.put(Diagnosis.STALE_APP_KEY, List.of(
                    say("The key here works, the application's does not: compare the fingerprint above with that of the secret it reads"),
                    run("Google: which versions are there", verdict -> "gcloud secrets versions list klaviyo-key"),
                    run("AWS: which version is current", verdict -> "aws secretsmanager describe-secret --secret-id klaviyo-key"),
                    run("Kubernetes: restart so that it reads the secret again",
                            verdict -> "kubectl rollout restart deployment/APP && kubectl rollout status deployment/APP"),
                    rotate("Or store the working key and restart, verified", ""), WATCH));
            TABLE.put(Diagnosis.SCOPE_MISSING, List.of(
                    say("Scopes of a key cannot be changed: make a new one with the scope named above (Settings > API keys > Create Private API Key)"), ROTATE, WATCH));
            TABLE.put(Diagnosis.RATE_LIMITED, List.of(
                    (verdict, launcher) -> new Action("Reduce volume at once: lower the queue's concurrency, sample, pause jobs"
                            + " that can wait" + wait(verdict), null),
                    say("Honour Retry-After in the client, with jitter; all private keys of the account share one quota"),
                    run("Look for a loop that calls without end",
                            verdict -> "journalctl -u APP --since '15 min ago' | grep -ci klaviyo"),
                    WATCH, TELL));
            TABLE.put(Diagnosis.PAYLOAD_INVALID, List.of(
                    say("Find the field: the error's source.pointer in the application's log names it"), EVIDENCE,
                    say("Compare with the last deployment; roll it back if the 400s began with it"),
                    say("Keep the refused payloads: they have to be sent again once they are valid")));
            TABLE.put(Diagnosis.REVISION_RETIRED, List.of(
                    (verdict, launcher) ->
                            new Action("Set the revision header to " + Revision.NEWEST + " in the application, test, deploy", null),
                    (verdict, launcher) -> new Action("See whether it works here first",
                            launcher.line("triage", "--revision " + Revision.NEWEST)), WATCH));
            TABLE.put(Diagnosis.REVISION_DEPRECATED, List.of(
                    (verdict, launcher) -> new Action("Plan the move to " + Revision.NEWEST + ": "
                            + verdict.findings().revision().check().summary(), null)));
            TABLE.put(Diagnosis.CDN_BLOCKED, List.of(
                    say("Not a scope: do not rotate the key. Note the cf-ray ids and the address we leave from"),
                    say("Leave from another address, or slow down bursts: shared cloud addresses (Lambda, NAT) get challenged"),
                    EVIDENCE, TICKET, WATCH));
            TABLE.put(Diagnosis.APP_UNHEALTHY, List.of(
                    say("Klaviyo is not the cause that leads here: look at our own infrastructure first"),
                    run("Pods", verdict -> "kubectl get pods -A | grep -vE 'Running|Completed'; kubectl top pods"),
                    run("What it says", verdict -> "curl -gsS --max-time 10 " + orElse(target(verdict).app(), "HEALTH-URL")),
                    say("Check memory, network, and the last deployment"), WATCH));
            TABLE.put(Diagnosis.WEBHOOK_DOWN, List.of(
                    say("Check route, ingress and the last deployment; Klaviyo retries 429, 500, 502 and 503 for 24 h and drops the rest"),
                    run("Ask the route", verdict -> webhook(verdict, "curl -gsSi --max-time 10 ")),
                    say("If it is disabled at Klaviyo, enable it again: Integrations > Webhooks"), WATCH));
            TABLE.put(Diagnosis.WEBHOOK_CERTIFICATE, List.of(
                    run("See the certificate", verdict -> "openssl s_client -connect " + authority(verdict)
                            + " </dev/null 2>/dev/null | openssl x509 -noout -dates -subject -issuer"),
                    say("Renew it, and find out why it was not renewed by itself"), WATCH));
            TABLE.put(Diagnosis.PARTIAL, List.of(
                    say("Check the endpoint that fails; let the others go on, and queue what needs this one"),
                    PAGE, WATCH, EVIDENCE));
            TABLE.put(Diagnosis.MONITORING_GAP, List.of(
                    say("Status page unreachable: another network, or @klaviyo. Metrics unavailable: the direct checks above still hold"),
                    run("Is Prometheus ready?", verdict -> "curl -gsS --max-time 10 "
                            + orElse(target(verdict).prometheus(), "PROMETHEUS-URL") + "/-/ready")));
            TABLE.put(Diagnosis.KEY_MISSING, List.of(
                    both("Give the key, for this shell only, without it landing in the history",
                            "read -rs KLAVIYO_PRIVATE_KEY && export KLAVIYO_PRIVATE_KEY"),
                    ours("Or from a secret store", "triage",
                            "--key-command 'gcloud secrets versions access latest --secret=klaviyo-key'")));
            TABLE.put(Diagnosis.INDETERMINATE,
                    List.of(ours("Wait a minute, for the limits of our own probes, and run it again", "triage", "")));
            TABLE.put(Diagnosis.HEALTHY, List.of(ours("Resolved or intermittent: keep an eye on it", "watch", "--for 10m")));
        }

        private Actions() { }

        static List<Action> of(Verdict verdict, Launcher launcher) {
            List<Action> actions = new ArrayList<>();
            TABLE.get(verdict.diagnosis()).forEach(template -> actions.add(template.apply(verdict, launcher)));
            return actions;
        }

        private static Template say(String text) {
            return (verdict, launcher) -> new Action(text, null);
        }

        private static Template both(String text, String command) {
            return (verdict, launcher) -> new Action(text, command);
        }

        private static Template run(String text, Function<Verdict, String> command) {
            return (verdict, launcher) -> new Action(text, command.apply(verdict));
        }

        private static Template ours(String text, String script, String options) {
            return (verdict, launcher) -> new Action(text, launcher.line(script, options));
        }

        // A drill brings a store and an application of its own.
        private static Template rotate(String text, String options) {
            return (verdict, launcher) -> new Action(text, launcher.line("rotate-key",
                    ((launcher.options().contains("--drill") ? "" : "--to STORE --restart TARGET ") + options).strip()));
        }

        // A drill's sandbox is gone by the time that somebody pastes a command.
        private static Settings.Target target(Verdict verdict) {
            Settings settings = verdict.findings().settings();
            return settings.drill().isPresent() ? Settings.Target.KLAVIYO : settings.target();
        }

        private static String host(Verdict verdict) {
            return target(verdict).api().getHost();
        }

        private static String wait(Verdict verdict) {
            var seconds = verdict.findings().limits().retryAfterSeconds();
            return seconds.orElse(0) > 0
                    ? "; the window is full again in " + Durations.words(Duration.ofSeconds(seconds.getAsLong()))
                    : "";
        }

        private static String orElse(URI address, String placeholder) {
            return address == null ? placeholder : address.toString();
        }

        private static String webhook(Verdict verdict, String command) {
            Settings.Target target = target(verdict);
            return target.webhook() == null ? null : command + target.webhook();
        }

        private static String authority(Verdict verdict) {
            var route = target(verdict).webhook();
            return route == null ? "HOST:443" : route.getHost() + ":" + (route.getPort() == -1 ? 443 : route.getPort());
        }
    }

    /**
     * How bad a diagnosis is, and why, by the runbook's definitions; when in doubt, the higher.
     *
     * @param severity null where no severity can be given: without a key, undecided, or healthy
     * @param reason   one sentence
     */
    record Impact(Severity severity, String reason) {
        private static final Map<Diagnosis, Function<Findings, Impact>> RULES = new EnumMap<>(Diagnosis.class);

        private static void rule(Diagnosis diagnosis, Function<Findings, Impact> rule) {
            RULES.put(diagnosis, rule);
        }

        static {
            rule(
                    Diagnosis.KLAVIYO_OUTAGE,
                    found -> p1(
                            found.symptoms().isEmpty()
                                    ? "the status page admits a major outage: " + page(found)
                                    : rate(found) + " failed, and the status page says " + page(found)));
            rule(Diagnosis.SILENT_OUTAGE, found -> p1(rate(found) + " failed, and the status page shows nothing of it"));
            rule(Diagnosis.NETWORK, found -> p1("no answer of Klaviyo's reaches us: " + found.network().check().summary()));
            rule(
                    Diagnosis.KEY_MALFORMED,
                    found -> p1("every call with this key fails: "
                            + String.join("; ", found.auth().faults())));
            rule(
                    Diagnosis.KEY_INVALID,
                    found -> p1("every call with this key fails: "
                            + found.auth().error().map(Object::toString).orElse("HTTP 401")));
            rule(
                    Diagnosis.STALE_APP_KEY,
                    found -> p1("the application is refused with 401 while the key here works: it runs with another key"));
            rule(Diagnosis.REVISION_RETIRED, Impact::revision);
            rule(
                    Diagnosis.CDN_BLOCKED,
                    found -> share(found, Symptom.CDN_BLOCK) >= 1
                            ? p1("every request is stopped before it reaches Klaviyo")
                            : p2(percent(share(found, Symptom.CDN_BLOCK))
                                    + " of our requests are stopped before they reach Klaviyo"));
            rule(Diagnosis.RATE_LIMITED, found -> p2("requests are refused with 429: " + found.limits().check().summary()));
            rule(
                    Diagnosis.SERVER_ERROR,
                    found -> p2(
                            Facts.failingShare(found) > 0
                                    ? rate(found) + " failed with 5xx or without an answer"
                                    : "the application gets 5xx that the probes do not see: "
                                            + found.errors().check().summary()));
            rule(
                    Diagnosis.KLAVIYO_DEGRADED,
                    found -> p2(
                            found.status().admitsTrouble()
                                    ? "the status page says " + page(found)
                                            + (Facts.failingShare(found) > 0 ? ", and " + rate(found) + " failed" : "")
                                    : "the API answers slowly"));
            rule(Diagnosis.SCOPE_MISSING, Impact::scope);
            rule(Diagnosis.PAYLOAD_INVALID, found -> p3(found.showing(Symptom.INVALID).isEmpty()
                    ? "Klaviyo is fine, and refuses what the application sends: " + found.errors().check().summary()
                    : "our own probes are refused with 400 on " + String.join(", ", found.showing(Symptom.INVALID))));
            rule(Diagnosis.PARTIAL, found -> p3("errors on " + failing(found) + " only"));
            rule(
                    Diagnosis.APP_UNHEALTHY,
                    found -> found.app().state() == AppHealth.State.DEGRADED
                            ? p2("its health endpoint says degraded: "
                                    + found.app().check().summary())
                            : p1("its health endpoint fails: " + found.app().check().summary()));
            rule(
                    Diagnosis.WEBHOOK_DOWN,
                    found -> p3("deliveries are delayed or lost (Klaviyo retries for 24 h): "
                            + found.webhook().check().summary()));
            rule(
                    Diagnosis.WEBHOOK_CERTIFICATE,
                    found -> found.webhook().state() == Webhook.State.CERTIFICATE
                            ? p3("deliveries fail at the handshake: "
                                    + found.webhook().check().summary())
                            : p4("no delivery fails yet: " + found.webhook().check().summary()));
            rule(
                    Diagnosis.REVISION_DEPRECATED,
                    found -> p4("a deprecation warning: " + found.revision().check().summary()));
            rule(Diagnosis.MONITORING_GAP, found -> p4("we see less than we should: " + gap(found)));
            rule(
                    Diagnosis.KEY_MISSING,
                    found -> new Impact(
                            null,
                            "a key missing here is no outage; set KLAVIYO_PRIVATE_KEY, or give --key-file or"
                                    + " --key-command"));
            rule(Diagnosis.INDETERMINATE, found -> new Impact(null, "no probe came to an end that says anything"));
            rule(Diagnosis.HEALTHY, found -> new Impact(null, "every check that was made is fine"));
        }

        static Impact of(Diagnosis diagnosis, Findings findings) {
            return RULES.get(diagnosis).apply(findings);
        }

        private static Impact p1(String reason) {
            return new Impact(Severity.P1, reason);
        }

        private static Impact p2(String reason) {
            return new Impact(Severity.P2, reason);
        }

        private static Impact p3(String reason) {
            return new Impact(Severity.P3, reason);
        }

        private static Impact p4(String reason) {
            return new Impact(Severity.P4, reason);
        }

        // One endpoint that the revision lacks is minor; where more are refused, the revision itself is what is wrong.
        private static Impact revision(Findings findings) {
            String life = findings.revision().check().summary();
            if (findings.errors().sees("410") || findings.showing(Symptom.REVISION).size() > 1
                    || Facts.revisionRefused(findings) && findings.showing(Symptom.REVISION).isEmpty()) {
                return p1("requests with this revision are refused: " + life);
            }
            return p3(
                    findings.showing(Symptom.REVISION).isEmpty()
                            ? "still answered, and may stop at any moment: " + life
                            : "refused on " + String.join(", ", findings.showing(Symptom.REVISION))
                                    + " only, which this revision may not have: " + life);
        }

        private static Impact scope(Findings findings) {
            List<String> refused = findings.showing(Symptom.FORBIDDEN).stream()
                    .filter(name -> !name.equals("accounts") && !name.equals("webhooks"))
                    .toList();
            if (refused.isEmpty()) {
                return p3("the application is refused with 403 on something that the probes do not ask");
            }
            String reason = "403 on " + String.join(", ", refused);
            return share(findings, Symptom.FORBIDDEN) >= 1
                    ? p1("every call fails: " + reason)
                    : refused.size() > 1 ? p2(reason) : p3(reason + " only");
        }

        private static double share(Findings findings, Symptom symptom) {
            int all = findings.symptoms().values().stream().mapToInt(Integer::intValue).sum();
            return all == 0 ? 0 : (double) findings.symptoms().getOrDefault(symptom, 0) / all;
        }

        private static String rate(Findings findings) {
            int all = findings.symptoms().values().stream().mapToInt(Integer::intValue).sum();
            long failed = Math.round(Facts.failingShare(findings) * all);
            return failed + " of " + all + " requests (" + percent(Facts.failingShare(findings)) + ")";
        }

        private static String percent(double share) {
            return Math.round(share * 100) + " %";
        }

        private static String failing(Findings findings) {
            return findings.endpoints().stream()
                    .filter(probe -> probe.symptoms().stream().anyMatch(symptom -> symptom != Symptom.NONE))
                    .map(probe -> probe.endpoint().name())
                    .collect(Collectors.joining(", "));
        }

        private static String page(Findings findings) {
            return findings.status().incidents().stream()
                    .findFirst()
                    .map(incident -> "\"" + incident.name() + "\" (" + incident.status() + ")")
                    .orElseGet(() -> findings.status().components().isEmpty()
                            ? findings.status().overall()
                            : findings.status().components().entrySet().stream()
                                    .map(entry ->
                                            entry.getKey() + ": " + entry.getValue().replace('_', ' '))
                                    .collect(Collectors.joining(", ")));
        }

        private static String gap(Findings findings) {
            return Facts.pageAnswers(findings) ? findings.errors().check().summary() : findings.status().check().summary();
        }
    }
}
