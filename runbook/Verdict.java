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
import java.util.TreeMap;
import java.util.stream.Collectors;
import runbook.ApiChecks.Probe;
import runbook.ApiChecks.Symptom;
import runbook.Screen.Check;
import runbook.Checks.Findings;
import runbook.Cli.Launcher;
import runbook.DecisionTree.Diagnosis;
import runbook.DecisionTree.Facts;
import runbook.DecisionTree.Step;
import runbook.Incident.Event;
import runbook.Klaviyo.Endpoint;
import runbook.Klaviyo.Revision;
import runbook.Message.Wording;
import runbook.Text.Json;

/**
 * What is broken, how bad, and how that was found: the decision tree's leaves over the findings, the worst one
 * leading and the others worst first. It has been this bad since the checks began, unless an incident is older;
 * {@code wording} is what {@code diagnoses.json} has for each diagnosis.
 */
public record Verdict(Findings findings, Instant since, Case lead, List<Case> others, Map<String, Wording> wording) {
    /** Exit code when triage could not tell, or has no key to ask with. */
    public static final int UNDECIDED = 20;

    /** The runbook's severities, worst first, with the time within which somebody has to respond. */
    public enum Severity {
        P1("complete outage", "15 min", Duration.ofMinutes(15)), P2("degraded service", "1 h", Duration.ofHours(1)),
        P3("minor impact", "4 h", Duration.ofHours(4)), P4("no user impact", "next business day", Duration.ZERO);

        private final String meaning;
        private final String responseTime;
        private final Duration within;

        Severity(String meaning, String responseTime, Duration within) {
            this.meaning = meaning;
            this.responseTime = responseTime;
            this.within = within;
        }

        /** The response time and the runbook's definition: {@code 15 min; P1 is complete outage}. */
        public String words() {
            return responseTime + "; " + this + " is " + meaning;
        }

        /** Triage's exit code for it. */
        public int exitCode() {
            return 11 + ordinal();
        }

        /** The moment by which to respond; for P4, nine o'clock UTC on the next business day. */
        public Instant respondBy(Instant from) {
            if (this != P4) {
                return from.plus(within);
            }
            LocalDate day = LocalDate.ofInstant(from, ZoneOffset.UTC).plusDays(1);
            while (day.getDayOfWeek() == DayOfWeek.SATURDAY || day.getDayOfWeek() == DayOfWeek.SUNDAY) {
                day = day.plusDays(1);
            }
            return day.atTime(9, 0).toInstant(ZoneOffset.UTC);
        }
    }

    /** One thing to do: what and why in one sentence, and a command ready to paste, or null. */
    public record Action(String text, String command) {
        JsonNode json() {
            return Json.object().put("text", text).put("command", command);
        }
    }

    /**
     * One diagnosis that holds, with the reason in one sentence and the questions that led to it. The severity is
     * null where none can be given: without a key, undecided, or healthy.
     */
    public record Case(Diagnosis diagnosis, Severity severity, String reason, List<Step> path) {
        /** P1 to P3, then what could not be told, then P4. */
        private int rank() {
            return severity == null ? 5 : severity.ordinal() * 2;
        }
    }

    /** The verdict in the words that the settings' templates have for it. */
    public static Verdict of(Findings findings) {
        return of(findings, Wording.all(findings.settings().templates()));
    }

    /** Walks the decision tree over what was found. Of a diagnosis that holds twice the worse counts. */
    public static Verdict of(Findings findings, Map<String, Wording> wording) {
        Map<String, Object> values = values(findings);
        Map<Diagnosis, Case> holding = new EnumMap<>(Diagnosis.class);
        for (DecisionTree.End end : DecisionTree.ROOT.walk(findings, List.of())) {
            String reason = wording.get(end.diagnosis().id()).reason().fill(values);
            Case one = new Case(end.diagnosis(), end.severity(), reason, end.path());
            holding.merge(end.diagnosis(), one, (first, second) -> second.rank() < first.rank() ? second : first);
        }
        if (holding.size() > 1) {
            holding.remove(Diagnosis.HEALTHY);
        }
        List<Case> worstFirst = holding.values().stream()
                .sorted(Comparator.comparingInt(Case::rank).thenComparing(Case::diagnosis)).toList();
        return new Verdict(findings, findings.at(), worstFirst.get(0), worstFirst.subList(1, worstFirst.size()),
                wording);
    }

    /** A minute in UTC: {@code 2026-11-23T03:04Z}. */
    static String minute(Instant at) {
        return at.truncatedTo(ChronoUnit.MINUTES).toString().replace(":00Z", "Z");
    }

    /** The same verdict, with a time that somebody was paged at. */
    public Verdict since(Instant paged) {
        return paged.isBefore(since) ? new Verdict(findings, paged, lead, others, wording) : this;
    }

    /**
     * The same verdict as part of an incident: the time to respond counts from when it was first this bad, or worse.
     */
    public Verdict in(List<Event> incident) {
        Instant first = lead.severity == null ? since : Incident.State.of(incident).since(lead.severity.name(), since);
        return new Verdict(findings, first, lead, others, wording);
    }

    /** The worst that holds. */
    public Diagnosis diagnosis() {
        return lead.diagnosis;
    }

    /** Empty when healthy, undecided, or only a key is missing. */
    public Optional<Severity> severity() {
        return Optional.ofNullable(lead.severity);
    }

    /** Why, one sentence. */
    public String reason() {
        return lead.reason;
    }

    /** The questions that led to the diagnosis, and their answers. */
    public List<Step> path() {
        return lead.path;
    }

    /** What holds besides, worst first. */
    public List<Diagnosis> also() {
        return others.stream().map(Case::diagnosis).toList();
    }

    /** What is unwell only because of the rest, each in one sentence. */
    public List<String> consequences() {
        return Facts.applicationHealth(findings).equals(Facts.CONSEQUENCE)
                ? List.of("our application is unwell too, as Klaviyo fails it: " + findings.app().summary())
                : List.of();
    }

    /** Whether nothing is wrong. */
    public boolean healthy() {
        return diagnosis() == Diagnosis.HEALTHY;
    }

    /** Triage's exit code: 0 healthy, 11 to 14 for P1 to P4, 20 when it could not tell. */
    public int exitCode() {
        return healthy() ? 0 : severity().map(Severity::exitCode).orElse(UNDECIDED);
    }

    /** The diagnosis in one line. */
    public String title() {
        return wording.get(diagnosis().id()).title();
    }

    /** {@code P1 key-invalid}, or the diagnosis alone. */
    public String name() {
        return severity().map(severity -> severity + " ").orElse("") + diagnosis().id();
    }

    /** By when somebody has to respond; empty without a severity. */
    public Optional<Instant> respondBy() {
        return severity().map(level -> level.respondBy(since).truncatedTo(ChronoUnit.SECONDS));
    }

    /**
     * What to do next, in order: the diagnosis's own steps, then what the statuses that the application gets ask for.
     */
    public List<Action> actions(Launcher launcher) {
        Map<String, Object> values = values(findings);
        values.put("urgent", lead.severity == Severity.P1 || lead.severity == Severity.P2 ? "yes" : "");
        List<Action> actions = new ArrayList<>();
        for (Wording.Next next : wording.get(diagnosis().id()).next()) {
            if (next.when().map(name -> !values.getOrDefault(name, "").equals("")).orElse(true)) {
                Optional<String> ours = next.run().map(run -> (run.fill(values) + " ").split(" ", 2))
                        .map(run -> launcher.line(run[0], run[1].strip()));
                actions.add(new Action(next.text().fill(values), next.command().map(text -> text.fill(values))
                        .or(() -> ours).orElse(null)));
            }
        }
        findings.appStatuses().map(OurSide.ADVICE::get).filter(advice -> advice != null)
                .forEach(advice -> actions.add(new Action(advice, null)));
        return actions;
    }

    /** The decision tree as lines, the walked path marked with {@code >}. */
    public List<String> explain(boolean ascii) {
        return DecisionTree.draw(path(), ascii);
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
        json.put("drill", null);
        json.put("healthy", healthy());
        json.putAll(journalData());
        json.put("consequences", consequences());
        json.put("respondBy", respondBy().orElse(null));
        json.put("checks", findings.checks().stream().map(Check::json).toList());
        List<Action> actions = actions(launcher);
        json.put("actions", actions.stream().map(Action::json).toList());
        json.put("advice", advice(actions));
        json.put("requestsSpent", findings.requestsSpent());
        json.put("incident", incident);
        return Json.of(json);
    }

    // The first thing to do, and when: what could not be told is asked again later, and a healthy API needs nothing.
    private JsonNode advice(List<Action> actions) {
        Action first = actions.isEmpty() ? new Action("nothing to do", null) : actions.get(0);
        String when = switch (diagnosis()) {
            case HEALTHY -> "never";
            case INDETERMINATE, NETWORK -> "later";
            default -> "now";
        };
        return Cli.advice(when, first.text, first.command);
    }

    /** What the journal's {@code diagnosed} event carries. */
    public Map<String, Object> journalData() {
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("severity", severity().orElse(null));
        data.put("diagnosis", diagnosis().id());
        data.put("also", also().stream().map(Diagnosis::id).toList());
        data.put("title", title());
        data.put("reason", reason());
        data.put("path", path().stream().map(step -> Map.of("question", step.question(), "answer", step.answer()))
                .toList());
        data.put("checks", findings.checks().stream()
                .filter(check -> check.outcome() != Check.Outcome.SKIPPED).map(Check::inShort).toList());
        findings.settings().drill().ifPresent(scenario -> data.put("drill", scenario));
        return data;
    }

    /** What the templates of reasons and next steps can name; empty where it does not apply. */
    private static Map<String, Object> values(Findings found) {
        String sent = found.settings().revision();
        boolean newest = sent.equals(Revision.NEWEST.text());
        List<String> forbidden = Facts.forbidden(found);
        String lost = forbidden.stream().map(Endpoint::named).flatMap(Optional::stream).map(Endpoint::scope)
                .filter(found.before().scopes()::contains).collect(Collectors.joining(", "));
        boolean never = !forbidden.isEmpty() && lost.isEmpty() && found.before().lastGood().isPresent();
        Map<String, Long> errors = new TreeMap<>(found.log().byStatus());
        errors.putAll(found.errors().byStatus());
        Map<String, Object> values = new TreeMap<>(places(found.settings()));
        values.put("probed", found.symptoms().isEmpty() ? "" : "yes");
        values.put("failed", Facts.failingShare(found) > 0 ? "yes" : "");
        values.put("rate", rate(found));
        values.put("page", page(found.status()));
        values.put("pageTrouble", found.status().check().summary());
        values.put("slow", found.endpoints().stream().filter(Probe::slow).map(probe -> probe.endpoint().name() + " "
                + probe.check().millis() + " ms").collect(Collectors.joining(", ")));
        values.put("network", found.network().fault().map(Http.Fault::words).or(() ->
                found.all().map(Symptom::describe).findFirst()).orElse(found.network().check().summary()));
        values.put("issuer", found.network().interceptedBy().orElse(""));
        values.put("keyFaults", String.join("; ", found.keyFaults()));
        values.put("authError", found.auth().samples().stream().map(Symptom::describe).findFirst().orElse("HTTP 401"));
        values.put("owner", found.before().account());
        values.put("lastGood", found.before().lastGood().map(Verdict::minute).orElse(""));
        values.put("replacedAt", found.before().replacedAt().map(Verdict::minute).orElse(""));
        values.put("lost", lost);
        values.put("never", never ? "yes" : "");
        values.put("forbidden", String.join(", ", forbidden));
        values.put("invalid", String.join(", ", found.showing(Symptom.INVALID::equals)));
        values.put("blocked", percent(Facts.share(found, Symptom.CDN_BLOCK::equals)));
        values.put("limits", found.limits().check().summary());
        values.put("wait", found.limits().waitWords());
        values.put("low", String.join(", ", found.limits().low()));
        values.put("loop", found.log().loop().orElse(""));
        String basis = found.log().basis();
        values.put("errors", "the application gets " + OurSide.words(errors)
                + (basis.isEmpty() ? "" : " (" + basis + ")"));
        values.put("told", found.symptoms().isEmpty() && !errors.isEmpty() ? "yes" : "");
        values.put("limited", found.symptoms().containsKey(Symptom.THROTTLED) ? "yes" : "");
        values.put("some401", Facts.onSomeCalls(found, "401") ? "yes" : "");
        values.put("keyWorks", found.keyIsAccepted() ? "yes" : "");
        values.put("noLog", found.log().check().outcome() == Check.Outcome.SKIPPED ? "yes" : "");
        values.put("failing", found.endpoints().stream().filter(Probe::fails).map(probe -> probe.endpoint().name())
                .collect(Collectors.joining(", ")));
        values.put("app", found.app().summary());
        values.put("webhook", found.webhook().summary());
        values.put("certificateBroken", found.webhook().state().equals("no: certificate") ? "yes" : "");
        values.put("revision", found.revision().summary());
        values.put("revisionOn", String.join(", ", found.showing(Symptom.REVISION::equals)));
        values.put("newest", Revision.NEWEST.text());
        values.put("sentNewest", newest ? sent : "");
        values.put("older", newest ? "" : sent);
        values.put("gap", (Facts.pageIsSeen(found) ? found.errors().check() : found.status().check()).summary());
        return values;
    }

    // A drill's sandbox is gone by the time that somebody pastes a command; it brings a store and an application.
    private static Map<String, String> places(Settings settings) {
        boolean drill = settings.drill().isPresent();
        Settings.Target target = drill ? Settings.Target.KLAVIYO : settings.target();
        URI route = target.webhook();
        return Map.of("apiUrl", word(target.api(), ""), "apiHost", Text.word(target.api().getHost()),
                "statusUrl", word(target.status(), ""), "appUrl", word(target.app(), "HEALTH-URL"),
                "prometheusUrl", word(target.prometheus(), "PROMETHEUS-URL"), "webhookUrl", word(route, ""),
                "webhookAuthority", route == null ? "HOST:443" : Text.word(Http.hostPort(route)),
                "store", drill ? "" : "--to STORE --restart TARGET ");
    }

    private static String word(URI address, String placeholder) {
        return address == null ? placeholder : Text.word(Settings.open(address.toString()));
    }

    private static String rate(Findings found) {
        int all = found.symptoms().values().stream().mapToInt(Integer::intValue).sum();
        double share = Facts.failingShare(found);
        return Math.round(share * all) + " of " + all + " requests (" + percent(share) + ")";
    }

    private static String percent(double share) {
        return Math.round(share * 100) + " %";
    }

    private static String page(StatusPage page) {
        String components = page.components().entrySet().stream()
                .map(one -> one.getKey() + ": " + one.getValue().replace('_', ' ')).collect(Collectors.joining(", "));
        return page.incidents().stream().findFirst()
                .map(incident -> "\"" + incident.name() + "\" (" + incident.status() + ")")
                .orElse(components.isEmpty() ? page.overall() : components);
    }
}
