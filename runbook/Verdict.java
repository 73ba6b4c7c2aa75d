package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.*;
import java.time.*;
import java.time.temporal.*;
import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.ApiChecks.Probe;
import runbook.ApiChecks.Symptom;
import runbook.Checks.Findings;
import runbook.Incident.Event;
import runbook.Klaviyo.Endpoint;
import runbook.Message.Form;
import runbook.Message.Wording;
import runbook.Screen.Check;
import runbook.Text.Durations;
import runbook.Text.Json;

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
        P1("15 min; P1 is complete outage", Duration.ofMinutes(15)),
        P2("1 h; P2 is degraded service", Duration.ofHours(1)),
        P3("4 h; P3 is minor impact", Duration.ofHours(4)),
        P4("next business day; P4 is no user impact", Duration.ofDays(1));

        private final String words;
        private final Duration within;

        Severity(String words, Duration within) {
            this.words = words;
            this.within = within;
        }

        int exitCode() {
            return 11 + ordinal();
        }

        /** The moment by which to respond; for P4, nine o'clock UTC on the next business day. */
        Instant respondBy(Instant from) {
            OffsetDateTime by = from.plus(within).atOffset(ZoneOffset.UTC).truncatedTo(ChronoUnit.SECONDS);
            while (this == P4 && by.getDayOfWeek().compareTo(DayOfWeek.FRIDAY) > 0) {
                by = by.plusDays(1);
            }
            return (this == P4 ? by.truncatedTo(ChronoUnit.DAYS).withHour(9) : by).toInstant();
        }
    }

    /**
     * A leaf that was reached: the diagnosis by its id, how bad it is (null where that cannot be said), the way there,
     * and the lines of the tree that it took.
     */
    public record Case(String diagnosis, Severity severity, List<DecisionTree.Step> path, List<Integer> lines) {
        private static final List<Integer> WORST_FIRST = List.of(11, 12, 13, UNDECIDED, 14, 0);

        /** Triage's exit code for it: 0 healthy, 11 to 14 for P1 to P4, 20 when it could not tell. */
        public int exitCode() {
            int unknown = diagnosis.equals("healthy") ? 0 : UNDECIDED;
            return severity == null ? unknown : severity.exitCode();
        }

        /** How far behind the worst it comes: P1 to P3, then what could not be told, then P4. */
        public int rank() {
            return WORST_FIRST.indexOf(exitCode());
        }
    }

    /** One thing to do: what and why in one sentence, and a command ready to paste, or null. */
    public record Action(String text, String command) { }

    /** The same as part of an incident: the time to respond counts from the page, or from when it was this bad. */
    public Verdict in(List<Event> incident, Optional<Instant> paged) {
        Instant begun = paged.filter(since::isAfter).orElse(since);
        return new Verdict(findings, severity().map(now -> Incident.State.of(incident).since(now.name(), begun))
                .orElse(begun), cases, wording);
    }

    // ---- what it says

    /** The worst that holds. */
    public Case worst() {
        return cases.get(0);
    }

    /** Its id in {@code diagnoses.json}: {@code key-invalid}. */
    public String diagnosis() {
        return worst().diagnosis();
    }

    /** Empty when healthy, undecided, or only a key is missing. */
    public Optional<Severity> severity() {
        return Optional.ofNullable(worst().severity());
    }

    /** Whether nothing is wrong at all; what could not be told is not healthy. */
    public boolean healthy() {
        return worst().exitCode() == 0;
    }

    /** What it is, in one line for people, as the table has it. */
    public String title() {
        return wording.get(diagnosis()).title();
    }

    /** {@code P1 key-invalid}, or the diagnosis alone. */
    public String name() {
        return severity().map(severity -> severity + " ").orElse("") + diagnosis();
    }

    /** {@code P1 key-invalid: Klaviyo refuses the private key}. */
    public String headline() {
        return name() + ": " + title();
    }

    /** Why it is thought to be so, from what was found: a few sentences. */
    public String reason() {
        return reason(diagnosis());
    }

    /** Why something holds that does not lead. */
    public String reason(String other) {
        return wording.get(other).reason().fill(values());
    }

    /** What holds besides, worst first. */
    public List<String> also() {
        return cases.stream().skip(1).map(Case::diagnosis).toList();
    }

    /** What is unwell only because of the rest, each in one sentence. */
    public List<String> consequences() {
        return !new DecisionTree(findings).applicationHealth().equals(DecisionTree.SUFFERS) ? List.of()
                : List.of("our application is unwell too, as Klaviyo fails it: " + findings.app().summary());
    }

    /** By when somebody has to respond; empty without a severity. */
    public Optional<Instant> respondBy() {
        return severity().map(level -> level.respondBy(since));
    }

    /** The same in words, with the severity's definition; a time in the form that is given. */
    public Optional<String> due(Function<Instant, String> form) {
        return respondBy().map(by -> {
            Duration late = Duration.between(by, Instant.now());
            String due = late.isNegative() ? "Respond by " + form.apply(by) : "A response was due by " + form.apply(by)
                    + ", " + Durations.words(late) + " ago";
            return due + " (" + severity().orElseThrow().words + ")";
        });
    }

    /** How it is marked on a screen: P4 as a warning, what could not be told as skipped. */
    public Screen.Mark mark() {
        return switch (worst().exitCode()) {
            case 0 -> Screen.Mark.OK;
            case 14 -> Screen.Mark.WARN;
            case UNDECIDED -> Screen.Mark.SKIP;
            default -> Screen.Mark.FAIL;
        };
    }

    /** One account's among many. */
    public Screen.Group line(String account) {
        return new Screen.Group(List.of(name()), healthy() ? Check.Outcome.OK : Check.Outcome.FAIL,
                account + (healthy() ? "" : ": " + reason()));
    }

    /** What to do next, in order: the diagnosis's steps, then what the statuses that the application gets ask for. */
    public List<Action> actions(Tool.Launcher launcher) {
        Map<String, Object> values = values();
        boolean drill = findings.settings().drill().isPresent();
        values.put("store", Stream.of("--to STORE ", "--restart TARGET ").filter(option -> !drill
                && launcher.set().apply("rotate-key." + option.substring(2).split(" ")[0]).isEmpty())
                .collect(Collectors.joining()));
        Optional<String> targets = launcher.set().apply("rotate-key.restart");
        values.put("restartUnset", targets.isEmpty());
        values.put("restart", targets.map(set -> restart(findings.settings().templates(), set)).orElse(""));
        List<Action> actions = new ArrayList<>();
        for (Wording.Next next : wording.get(diagnosis()).next()) {
            Optional<String> ours = next.run().map(run -> (run.fill(values) + " ").split(" ", 2))
                    .map(run -> launcher.line(run[0], run[1]));
            String command = next.command().map(any -> any.fill(values)).filter(any -> !any.isEmpty()).or(() -> ours)
                    .orElse(null);
            actions.add(new Action(next.text().fill(values), command));
        }
        actions.removeIf(action -> action.text.isEmpty());
        OurSide.ADVICE.entrySet().stream().filter(advice -> findings.appSees(advice.getKey()))
                .forEach(advice -> actions.add(new Action(advice.getValue(), null)));
        return actions;
    }

    // A team's restart targets, k8s:shop/deployment/web, as the commands that stores.json has for them, where the step
    // carries that; nothing where one is not known. What is wrong with the table, rotate-key says.
    private static String restart(Settings.Templates templates, String targets) {
        try {
            Collection<JsonNode> rows = Settings.Templates.BUILT_IN.carries("stores.json")
                    ? templates.laid("stores.json", JsonNode.class).values() : List.of();
            return Form.each(targets).map(target -> rows.stream().flatMap(row -> restart(row, target)).findFirst()
                    .orElseThrow()).collect(Collectors.joining(" && "));
        } catch (Settings.Problem | PatternSyntaxException | NoSuchElementException e) {
            return "";
        }
    }

    private static Stream<String> restart(JsonNode row, String target) {
        Map<String, Pattern> patterns = row.path("parts").properties().stream().collect(Collectors.toMap(
                Map.Entry::getKey, part -> Pattern.compile(part.getValue().asText())));
        Stream<JsonNode> forms = row.has("restart") ? row.path("address").valueStream() : Stream.empty();
        return forms.flatMap(form -> new Form(form.asText()).read(target, patterns).stream()).map(parts -> {
            parts.put("now", "by-hand");
            return new Form(row.at("/restart/0").asText()).filled(parts, part -> part);
        });
    }

    // ---- for scripts, and for the journal

    /** The object that {@code triage --json} prints and leaves in the incident's folder. */
    public ObjectNode json(Tool.Launcher launcher, Optional<Incident> incident) {
        List<Action> actions = actions(launcher);
        Action first = actions.stream().findFirst().orElse(new Action(title(), null));
        Map<String, Object> json = Json.map("schema", 1, "at", findings.at().truncatedTo(ChronoUnit.MILLIS),
                "drill", null, "healthy", healthy());
        json.putAll(journalData());
        json.putAll(Json.map("consequences", consequences(), "respondBy", respondBy().orElse(null),
                "checks", findings.checks().stream().map(Check::json).toList(),
                "actions", actions.stream().map(one -> Json.map("text", one.text, "command", one.command)).toList(),
                "advice", Cli.advice(wording.get(diagnosis()).when().orElse("now"), first.text, first.command),
                "requestsSpent", findings.requestsSpent(),
                "incident", incident.map(Incident::toString).orElse(null)));
        return (ObjectNode) Json.of(json);
    }

    /**
     * What a journal has to say of it.
     *
     * @param opened whether the incident begins with it
     * @param paged  when somebody was: that is on record also where watch, or an earlier triage, opened the incident
     * @param lead   who leads from now on
     */
    public List<Event> events(boolean opened, Optional<Instant> paged, Optional<String> lead) {
        List<Event> events = new ArrayList<>();
        if (severity().isPresent() && (opened || paged.isPresent())) {
            events.add(event(opened ? since : paged.get(), Event.DETECTED, (paged.isEmpty() ? "" : "paged; ")
                    + "triage found " + diagnosis()));
        }
        lead.map(name -> Text.safe(name, 60)).ifPresent(name -> events.add(Event.now("triage", Event.ACKNOWLEDGED,
                name + " leads the incident", Map.of("by", name)).in(findings.settings().drill().orElse(""))));
        // What cannot be told names no incident anew.
        events.add(severity().isPresent() ? diagnosed() : event(findings.at(), Event.NOTE, headline()));
        return events;
    }

    /** The event that says what is broken. */
    public Event diagnosed() {
        return event(findings.at(), Event.DIAGNOSED, headline());
    }

    private Event event(Instant at, String kind, String summary) {
        return new Event(at.truncatedTo(ChronoUnit.MILLIS), "triage", kind, summary, Json.of(journalData()));
    }

    /** What the journal's {@code diagnosed} event carries. */
    private Map<String, Object> journalData() {
        Map<String, Object> data = Json.map("severity", severity().orElse(null), "diagnosis", diagnosis(),
                "also", also(), "title", title(), "reason", reason(),
                "path", worst().path().stream()
                        .map(step -> Map.of("question", step.question(), "answer", step.answer())).toList(),
                "checks", findings.checks().stream()
                        .filter(check -> check.outcome() != Check.Outcome.SKIPPED).map(Check::inShort).toList());
        findings.settings().drill().ifPresent(scenario -> data.put("drill", scenario));
        findings.log().failingSince().filter(first -> severity().isPresent())
                .ifPresent(first -> data.put("firstFailure", first));
        if (!findings.log().statuses().isEmpty()) {
            data.put("logged", findings.log().statuses());
        }
        return data;
    }

    // ---- what the templates of reasons and next steps can name; empty or false where it does not apply

    private Map<String, Object> values() {
        Map<String, Object> values = new TreeMap<>();
        findings.checks().stream().filter(check -> !check.name().contains(":"))
                .forEach(check -> values.put(check.name(), check.summary()));
        values.put("urgent", Set.of(11, 12).contains(worst().exitCode()));
        values.put("pageUnseen", !findings.status().seen());
        values.put("metricsUnseen", findings.errors().check().state().equals("unavailable"));
        values.put("appUntold", findings.app().state().equals("not told"));
        addPlaces(values, findings.settings());
        DecisionTree tree = new DecisionTree(findings);
        addKlaviyos(values, tree);
        addTheKeys(values, findings.showing(Symptom.FORBIDDEN::equals));
        addOurs(values);
        return values;
    }

    // A passing sandbox is gone by the time that somebody pastes a command.
    private static void addPlaces(Map<String, Object> values, Settings settings) {
        Settings.Target target = settings.target().passing() ? Settings.Target.KLAVIYO : settings.target();
        URI route = target.webhook();
        values.put("apiUrl", word(target.api(), ""));
        values.put("statusUrl", word(target.status(), ""));
        values.put("appUrl", word(target.app(), "HEALTH-URL"));
        values.put("prometheusUrl", word(target.prometheus(), "PROMETHEUS-URL"));
        values.put("webhookUrl", word(route, ""));
        values.put("webhookAuthority", route == null ? "HOST:443" : Text.word(Settings.hostPort(route)));
    }

    private static String word(URI address, String placeholder) {
        return address == null ? placeholder : Text.word(Settings.open(address.toString()));
    }

    private void addKlaviyos(Map<String, Object> values, DecisionTree tree) {
        int asked = findings.symptoms().values().stream().mapToInt(Integer::intValue).sum();
        double share = findings.share(tree::failing);
        values.put("rate", share == 0 ? "" : Math.round(share * asked) + " of " + asked + " requests ("
                + Math.round(share * 100) + " %)");
        values.put("page", findings.status().words());
        values.put("slow", findings.endpoints().stream().filter(Probe::slow).map(probe ->
                probe.endpoint().name() + " " + probe.check().millis() + " ms").collect(Collectors.joining(", ")));
        values.put("busy", cases.stream().flatMap(one -> one.path().stream())
                .anyMatch(step -> step.answer().equals(Checks.Findings.BUSY_HERE)));
        values.put("failing", String.join(", ", findings.showing(symptom -> symptom != Symptom.NONE)));
        values.put("network", findings.all().map(Symptom::describe).findFirst()
                .orElse(findings.network().check().summary()));
        values.put("appWorks", tree.onlyOurAppReachesIt());
        // Who opens TLS on the way is named by the words of the fault.
        values.put("issuer", findings.all()
                .filter(answer -> answer instanceof Http.Fault fault && fault.kind() == Http.Kind.TLS_UNTRUSTED)
                .map(answer -> answer.words().split("\"")[1]).findFirst().orElse(""));
        values.put("limited", findings.limits().refusal());
        values.put("low", String.join(", ", findings.limits().low()));
    }

    private void addTheKeys(Map<String, Object> values, List<String> forbidden) {
        Optional<Key.LastGood> good = findings.before().good();
        // Our probes only read: what the application may not write, its log tells.
        List<String> scopes = Stream.concat(forbidden.stream().map(Endpoint::named).flatMap(Optional::stream)
                .map(Endpoint::scope), findings.log().unwritten()).toList();
        String newest = Klaviyo.Revision.NEWEST.text();
        String sent = findings.settings().revision();
        values.put("keyFaults", String.join("; ", findings.keyFaults()));
        values.put("keyHere", findings.settings().key().map(Key::describe).orElse(""));
        values.put("keyWorks", findings.keyIsAccepted());
        values.put("theirs", findings.applicationHasOtherKey() ? findings.applicationsKey() : "");
        values.put("refused", findings.all().filter(Symptom.UNAUTHORIZED::is).findFirst().map(Symptom::describe)
                .orElse(""));
        values.put("owner", good.map(Key.LastGood::organisation).orElse(""));
        values.put("lastGood", good.map(one -> Text.minute(one.at())).orElse(""));
        values.put("replacedAt", findings.before().replacedAt().map(Text::minute).orElse(""));
        values.put("rotating", findings.before().rotating());
        values.put("forbidden", String.join(", ", forbidden));
        values.put("needs", scopes.stream().map(scope -> "+" + scope).collect(Collectors.joining(",")));
        values.put("lost", scopes.stream().filter(scope -> good.filter(one -> one.scopes().contains(scope)).isPresent())
                .collect(Collectors.joining(", ")));
        values.put("newest", newest);
        values.put("older", sent.equals(newest) ? "" : sent);
    }

    private void addOurs(Map<String, Object> values) {
        String counted = findings.errors().words();
        String logged = findings.log().words();
        values.put("errors", counted.isEmpty() ? "the application gets " + logged
                : counted + (logged.isEmpty() ? "" : " (" + logged + ")"));
        values.put("loop", findings.log().loop().orElse(""));
        values.put("noLog", findings.log().check().outcome() == Check.Outcome.SKIPPED);
    }
}
