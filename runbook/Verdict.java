package runbook;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

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
        for (Tree.End end : DecisionTree.ROOT.walk(findings)) {
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
}
