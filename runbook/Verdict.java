package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.*;
import java.net.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.function.*;
import java.util.stream.*;
import runbook.ApiChecks.Probe;
import runbook.ApiChecks.Symptom;
import runbook.Checks.Findings;
import runbook.DecisionTree.Case;
import runbook.DecisionTree.Diagnosis;
import runbook.Klaviyo.Endpoint;
import runbook.Message.Wording;
import runbook.Screen.Check;

/**
 * What is broken, how bad, and how that was found: the decision tree's leaves over the findings, worst first. It has
 * been this bad since the checks began, unless an incident is older, or somebody was paged before; {@code wording} is
 * what {@code diagnoses.json} has for each diagnosis.
 */
public record Verdict(Findings findings, Instant since, List<Case> cases, Map<String, Wording> wording) {
    /** Exit code when triage could not tell, or has no key to ask with. */
    public static final int UNDECIDED = 20;

    /** The runbook's severities, worst first, with the time within which somebody has to respond. */
    public enum Severity {
        P1("complete outage", Duration.ofMinutes(15)), P2("degraded service", Duration.ofHours(1)),
        P3("minor impact", Duration.ofHours(4)), P4("no user impact", Duration.ZERO);

        private final String meaning;
        private final Duration within;

        Severity(String meaning, Duration within) {
            this.meaning = meaning;
            this.within = within;
        }

        /** The response time and the runbook's definition: {@code 15 min; P1 is complete outage}. */
        public String words() {
            String time = this == P4 ? "next business day" : Text.Durations.words(within);
            return time + "; " + this + " is " + meaning;
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
            return Text.Json.object().put("text", text).put("command", command);
        }
    }

    /** The verdict in the words that the settings' templates have for it. */
    public static Verdict of(Findings findings) {
        return of(findings, Wording.all(findings.settings().templates()));
    }

    /** Walks the tree. Of a diagnosis that holds twice the worse counts, and nothing is healthy beside another. */
    public static Verdict of(Findings findings, Map<String, Wording> wording) {
        Map<Diagnosis, Case> holding = new EnumMap<>(Diagnosis.class);
        for (Case one : new DecisionTree(findings).walk()) {
            holding.merge(one.diagnosis(), one, (first, second) -> second.rank() < first.rank() ? second : first);
        }
        if (holding.size() > 1) {
            holding.remove(Diagnosis.HEALTHY);
        }
        List<Case> worstFirst = holding.values().stream().sorted(Comparator.comparingInt(Case::rank)).toList();
        return new Verdict(findings, findings.at(), worstFirst, wording);
    }

    /** The same verdict, with a time that somebody was paged at. */
    public Verdict since(Instant paged) {
        return new Verdict(findings, paged.isBefore(since) ? paged : since, cases, wording);
    }

    /** The same as part of an incident: the time to respond counts from when it was first this bad, or worse. */
    public Verdict in(List<Incident.Event> incident) {
        return severity().map(now -> since(Incident.State.of(incident).since(now.name(), since))).orElse(this);
    }

    // ---- what it says

    /** The worst that holds. */
    public Diagnosis diagnosis() {
        return cases.get(0).diagnosis();
    }

    /** Empty when healthy, undecided, or only a key is missing. */
    public Optional<Severity> severity() {
        return Optional.ofNullable(cases.get(0).severity());
    }

    /** Why, one sentence. */
    public String reason() {
        return reason(diagnosis());
    }

    /** Why something holds that does not lead. */
    public String reason(Diagnosis other) {
        return wording.get(other.id()).reason().fill(values());
    }

    /** The questions that led to the diagnosis, and their answers. */
    public List<DecisionTree.Step> path() {
        return cases.get(0).path();
    }

    /** What holds besides, worst first. */
    public List<Diagnosis> also() {
        return cases.stream().skip(1).map(Case::diagnosis).toList();
    }

    /** What is unwell only because of the rest, each in one sentence. */
    public List<String> consequences() {
        return !new DecisionTree(findings).applicationSuffers() ? List.of()
                : List.of("our application is unwell too, as Klaviyo fails it: " + findings.app().summary());
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

    /** {@code P1 key-invalid: Klaviyo refuses the private key}. */
    public String headline() {
        return name() + ": " + title();
    }

    /** By when somebody has to respond; empty without a severity. */
    public Optional<Instant> respondBy() {
        return severity().map(level -> level.respondBy(since).truncatedTo(ChronoUnit.SECONDS));
    }

    /**
     * What to do next, in order: the diagnosis's own steps, then what the statuses that the application gets ask for.
     */
    public List<Action> actions(Screen.Launcher launcher) {
        Map<String, Object> values = values();
        values.put("store", findings.settings().drill().isPresent() ? "" : Stream.of("to STORE", "restart TARGET")
                .filter(option -> launcher.set().apply("rotate-key." + option.split(" ")[0]).isEmpty())
                .map(option -> "--" + option + " ").collect(Collectors.joining()));
        values.put("restart", launcher.set().apply("rotate-key.restart")
                .map(target -> restart(findings.settings().templates(), target)).orElse(""));
        List<Action> actions = new ArrayList<>();
        for (Wording.Next next : wording.get(diagnosis().id()).next()) {
            if (next.when().map(name -> !List.of("", false).contains(values.getOrDefault(name, ""))).orElse(true)) {
                Optional<String> ours = next.run().map(run -> (run.fill(values) + " ").split(" ", 2))
                        .map(run -> launcher.line(run[0], run[1].strip()));
                Optional<String> any = next.command().map(command -> command.fill(values))
                        .filter(command -> !command.isBlank()).or(() -> ours);
                actions.add(new Action(next.text().fill(values), any.orElse(null)));
            }
        }
        OurSide.ADVICE.forEach((status, advice) -> {
            if (findings.appSees(status)) {
                actions.add(new Action(advice, null));
            }
        });
        return actions;
    }

    /** The decision tree as lines, the walked path marked with {@code >}. */
    public List<String> explain(boolean ascii) {
        return DecisionTree.draw(cases.get(0), ascii);
    }

    /**
     * The object that {@code triage --json} prints and leaves in the incident folder.
     *
     * @param incident the incident's folder, or null
     */
    public JsonNode json(Screen.Launcher launcher, String incident) {
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
        json.put("advice", Cli.advice(when(), actions.get(0).text, actions.get(0).command));
        json.put("requestsSpent", findings.requestsSpent());
        json.put("incident", incident);
        return Text.Json.of(json);
    }

    // What could not be told is asked again later, and a healthy API needs nothing.
    private String when() {
        return switch (diagnosis()) {
            case HEALTHY -> "never";
            case INDETERMINATE, NETWORK, REFUSED_ELSEWHERE -> "later";
            default -> "now";
        };
    }

    /**
     * What a journal has to say of it.
     *
     * @param opened whether the incident begins with it
     * @param paged  when somebody was: that is on record also where watch, or an earlier triage, opened the incident
     * @param lead   who leads from now on
     */
    public List<Incident.Event> events(boolean opened, Optional<Instant> paged, Optional<String> lead) {
        boolean wrong = severity().isPresent();
        List<Incident.Event> events = new ArrayList<>();
        if (wrong && (opened || paged.isPresent())) {
            events.add(event(opened ? since : paged.get(), Incident.Event.DETECTED, (paged.isEmpty() ? "" : "paged; ")
                    + "triage found " + diagnosis().id(), journalData()));
        }
        lead.map(name -> Text.safe(name, 60)).ifPresent(name -> events.add(event(Instant.now(),
                Incident.Event.ACKNOWLEDGED, name + " leads the incident",
                Map.of("by", name, "drill", findings.settings().drill().orElse("")))));
        events.add(event(findings.at(), wrong ? Incident.Event.DIAGNOSED : Incident.Event.NOTE, headline(),
                journalData()));
        return events;
    }

    private static Incident.Event event(Instant at, String kind, String summary, Map<String, Object> data) {
        return new Incident.Event(at.truncatedTo(ChronoUnit.MILLIS), "triage", kind, summary, Text.Json.of(data));
    }

    /** What the journal's {@code diagnosed} event carries. */
    private Map<String, Object> journalData() {
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
        if (severity().isPresent()) {
            findings.log().failingSince().ifPresent(first -> data.put("firstFailure", first));
        }
        if (!findings.log().statuses().isEmpty()) {
            data.put("logged", findings.log().statuses());
        }
        return data;
    }

    // ---- what the templates of reasons and next steps can name; empty or false where it does not apply

    private Map<String, Object> values() {
        Map<String, Object> values = new TreeMap<>(places(findings.settings()));
        DecisionTree tree = new DecisionTree(findings);
        findings.checks().stream().filter(check -> !check.name().contains(":"))
                .forEach(check -> values.put(check.name(), check.summary()));
        aboutKlaviyo(values, tree);
        aboutTheKey(values, tree.forbidden());
        aboutOurSide(values);
        values.put("urgent", severity().filter(level -> level.compareTo(Severity.P2) <= 0).isPresent());
        boolean unmeasured = findings.errors().check().state().equals("unavailable");
        values.put("pageUnseen", !findings.status().seen());
        values.put("metricsUnseen", unmeasured);
        boolean untold = findings.app().state().equals("not told");
        values.put("appUntold", untold);
        Check other = untold ? findings.app() : findings.status().check();
        values.put("gap", (unmeasured ? findings.errors().check() : other).summary());
        return values;
    }

    private void aboutKlaviyo(Map<String, Object> values, DecisionTree tree) {
        long asked = findings.symptoms().values().stream().mapToLong(Integer::longValue).sum();
        String share = percent(tree.failingShare());
        values.put("probed", asked > 0);
        values.put("failed", tree.failingShare() > 0);
        values.put("rate", Math.round(tree.failingShare() * asked) + " of " + asked + " requests (" + share + ")");
        values.put("page", findings.status().words());
        values.put("slow", named(Probe::slow, probe -> " " + probe.check().millis() + " ms"));
        values.put("failing", named(Probe::fails, probe -> ""));
        values.put("network", findings.network().fault().map(Http.Fault::words).or(() ->
                findings.all().map(Symptom::describe).findFirst()).orElse(findings.network().check().summary()));
        values.put("appWorks", tree.onlyOurAppReachesIt());
        values.put("issuer", findings.faults().filter(fault -> fault.kind() == Http.Kind.TLS_UNTRUSTED).findFirst()
                .map(fault -> fault.words().split("\"")[1]).orElse(""));
        values.put("invalid", String.join(", ", findings.showing(Symptom.INVALID::equals)));
        values.put("revisionOn", String.join(", ", findings.showing(Symptom.REVISION::equals)));
        values.put("blocked", percent(tree.share(Symptom.CDN_BLOCK::equals)));
        values.put("limited", findings.limits().refusal());
        values.put("wait", findings.limits().waitWords());
        values.put("low", String.join(", ", findings.limits().low()));
    }

    private void aboutTheKey(Map<String, Object> values, List<String> forbidden) {
        Optional<Key.LastGood> good = findings.before().good();
        String lost = forbidden.stream().map(Endpoint::named).flatMap(Optional::stream).map(Endpoint::scope)
                .filter(scope -> good.filter(one -> one.scopes().contains(scope)).isPresent())
                .collect(Collectors.joining(", "));
        String sent = findings.settings().revision();
        boolean newest = sent.equals(Klaviyo.Revision.NEWEST.text());
        values.put("keyFaults", String.join("; ", findings.keyFaults()));
        values.put("keyHere", findings.settings().key().map(Key::describe).orElse(""));
        values.put("theirs", findings.applicationsKey());
        values.put("keyWorks", findings.keyIsAccepted());
        values.put("fingerprint", findings.settings().key().map(key -> key.cleaned().fingerprint()).orElse(""));
        values.put("authError", findings.auth().samples().stream().map(Symptom::describe).findFirst()
                .orElse("HTTP 401"));
        values.put("owner", good.map(Key.LastGood::organisation).orElse(""));
        values.put("lastGood", good.map(one -> Text.minute(one.at())).orElse(""));
        values.put("replacedAt", findings.before().replacedAt().map(Text::minute).orElse(""));
        values.put("forbidden", String.join(", ", forbidden));
        values.put("needs", forbidden.stream().map(Endpoint::named).flatMap(Optional::stream)
                .map(endpoint -> "+" + endpoint.scope()).collect(Collectors.joining(",")));
        values.put("lost", lost);
        values.put("never", !forbidden.isEmpty() && lost.isEmpty() && good.isPresent());
        values.put("newest", Klaviyo.Revision.NEWEST.text());
        values.put("sentNewest", newest ? sent : "");
        values.put("older", newest ? "" : sent);
    }

    private void aboutOurSide(Map<String, Object> values) {
        String counted = findings.errors().words();
        String logged = findings.log().words();
        values.put("errors", counted.isEmpty() ? "the application gets " + logged
                : counted + (logged.isEmpty() ? "" : " (" + logged + ")"));
        values.put("told", findings.symptoms().isEmpty() && !(counted + logged).isEmpty());
        values.put("some401", findings.onSomeCalls("401"));
        values.put("loop", findings.log().loop().orElse(""));
        values.put("noLog", findings.log().check().outcome() == Check.Outcome.SKIPPED);
        values.put("certificateBroken", findings.webhook().state().equals("no: certificate"));
    }

    private String named(Predicate<Probe> which, Function<Probe, String> more) {
        return findings.endpoints().stream().filter(which).map(probe -> probe.endpoint().name() + more.apply(probe))
                .collect(Collectors.joining(", "));
    }

    private static String percent(double share) {
        return Math.round(share * 100) + " %";
    }

    // A passing sandbox is gone by the time that somebody pastes a command; a drill brings a store and an application.
    private static Map<String, String> places(Settings settings) {
        Settings.Target target = settings.target().passing() ? Settings.Target.KLAVIYO : settings.target();
        URI route = target.webhook();
        return Map.of("apiUrl", word(target.api(), ""), "apiHost", Text.word(target.api().getHost()),
                "statusUrl", word(target.status(), ""), "appUrl", word(target.app(), "HEALTH-URL"),
                "prometheusUrl", word(target.prometheus(), "PROMETHEUS-URL"), "webhookUrl", word(route, ""),
                "webhookAuthority", route == null ? "HOST:443" : Text.word(Http.hostPort(route)));
    }

    /** A team's restart target, {@code k8s:shop/deployment/web}, as the command that stores.json has for it. */
    private static String restart(Settings.Templates templates, String target) {
        if (!templates.carries("stores.json")) {
            return ""; // Of the steps that diagnose, triage alone has that table.
        }
        try {
            for (JsonNode row : Text.Json.read(templates.text("stores.json"))) {
                String form = row.at("/address/0").asText().replaceAll("\\[(.*?)]", "(?:$1)?")
                        .replaceAll("\\{(\\w+)}", "(?<$1>.+?)");
                if (row.has("restart") && target.matches(form)) {
                    String command = row.at("/restart/0").asText().replaceAll("[\\[\\]]", "")
                            .replace("{now}", "by-hand").replaceAll("\\{(\\w+)}", "\\${$1}");
                    // Of a part that may be left out, an option without its value is left.
                    return target.replaceFirst("^" + form + "$", command).replaceAll(" --\\w+[ =](?= )", "");
                }
            }
        } catch (IOException e) {
            // rotate-key, whose table that is, says what is wrong with it.
        }
        return "";
    }

    private static String word(URI address, String placeholder) {
        return address == null ? placeholder : Text.word(Settings.open(address.toString()));
    }
}
