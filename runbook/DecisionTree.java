package runbook;

import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.ApiChecks.Symptom;
import runbook.Screen.Check.Outcome;
import runbook.Verdict.Severity;

/**
 * The runbook's decision tree, whole, and what it leaves out: our own network, a silent outage, a CDN block, a retired
 * revision, a stale key in the application, certificates, gaps in monitoring. It is walked as it is drawn: every
 * question is answered below, every branch that holds is followed, and a leaf says how bad that is by the
 * runbook's definitions. What to do then stands in {@code templates/diagnoses.json}.
 */
public final class DecisionTree {
    /** What can be wrong, in the order in which the worse leads where two have the same severity. */
    public enum Diagnosis {
        KLAVIYO_OUTAGE, SILENT_OUTAGE, UNCONFIRMED_OUTAGE, LOAD_SHED, NETWORK, TOKEN_EXPIRED, KEY_REPLACED, KEY_OTHER,
        REFUSED_ELSEWHERE, KEY_INVALID, KEY_MALFORMED, STALE_APP_KEY, REVISION_RETIRED, CDN_BLOCKED, RUNAWAY_LOOP,
        RATE_LIMITED, SERVER_ERROR, KLAVIYO_DEGRADED, KLAVIYO_SLOW, SCOPE_MISSING, PAYLOAD_INVALID, PARTIAL,
        APP_UNHEALTHY, WEBHOOK_DOWN, WEBHOOK_CERTIFICATE, REVISION_FALLING_FORWARD, QUOTA_LOW, REVISION_DEPRECATED,
        MONITORING_GAP, KEY_MISSING, INDETERMINATE, HEALTHY;

        /** The name that JSON, journal and templates use: {@code klaviyo-outage}. */
        public String id() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }

        private static Diagnosis of(String id) {
            return valueOf(id.toUpperCase(Locale.ROOT).replace('-', '_'));
        }
    }

    /** A line that ends in a question mark asks; {@code a / b} is either answer; {@code see NAME} goes on there. */
    private static final List<String> TREE = """
        Is Klaviyo API returning errors?
        ├── yes
        │   Can we reach anything?
        │   ├── yes
        │   │   What status code?
        │   │   ├── 401 → see THE KEY
        │   │   ├── 403
        │   │   │   Which calls are refused?
        │   │   │   ├── those with a key that was replaced → key-replaced: load the new one into this shell
        │   │   │   ├── every call → P1 scope-missing: check the key's scopes
        │   │   │   ├── several endpoints → P2 scope-missing: check the key's scopes
        │   │   │   └── one endpoint → P3 scope-missing: check the key's scopes
        │   │   ├── 403 that names no scope, on most endpoints or beside 5xx
        │   │   │   Does status.klaviyo.com show an incident?
        │   │   │   ├── yes → see KLAVIYO'S OUTAGE
        │   │   │   └── no / not seen
        │   │   │       Do nearly all requests fail?
        │   │   │       ├── yes → P1 load-shed: not a scope: enable fallback mode, queue, tell stakeholders
        │   │   │       └── no → P2 load-shed: not a scope: queue and retry, also what was refused with 403
        │   │   ├── 403 from the CDN
        │   │   │   Is every request stopped?
        │   │   │   ├── yes → P1 cdn-blocked: not a scope: our address or client is blocked
        │   │   │   └── no → P2 cdn-blocked: not a scope: our address or client is blocked
        │   │   ├── 429 → see THE LIMIT
        │   │   ├── 400 → P3 payload-invalid: payload validation error
        │   │   ├── revision refused
        │   │   │   Does one endpoint only refuse it?
        │   │   │   ├── yes → P3 revision-retired: this revision may not have it: move to a supported one
        │   │   │   └── no → P1 revision-retired: move to a supported revision
        │   │   ├── other 4xx → P3 partial: check that endpoint
        │   │   ├── 5xx or no answer
        │   │   │   Does status.klaviyo.com show an incident?
        │   │   │   ├── yes → see KLAVIYO'S OUTAGE
        │   │   │   ├── no
        │   │   │   │   Do nearly all requests fail?
        │   │   │   │   ├── yes → P1 silent-outage: treat as an outage, open a ticket at Klaviyo
        │   │   │   │   └── no → see SOME FAIL
        │   │   │   └── not seen
        │   │   │       Do nearly all requests fail?
        │   │   │       ├── yes → P1 unconfirmed-outage: treat as an outage, see the page from elsewhere
        │   │   │       └── no → see SOME FAIL
        │   │   └── not Klaviyo's answer
        │   │       Does any answer come from Klaviyo?
        │   │       ├── yes → P3 partial: check that endpoint
        │   │       └── no → network: this machine cannot tell: ask another before anybody is paged
        │   ├── our application can → network: this machine cannot tell: ask another before anybody is paged
        │   └── no → network: this machine cannot tell: ask another before anybody is paged
        │   see OUR SIDE
        ├── no
        │   Does status.klaviyo.com show an incident?
        │   └── yes → P2 klaviyo-degraded: partial issue: monitor the status page
        │   Is the API slow?
        │   └── yes → P2 klaviyo-slow: partial issue: retry with backoff
        │   see OUR SIDE
        ├── not asked: no key
        │   Does status.klaviyo.com show an incident?
        │   └── yes
        │       Is it a major outage?
        │       ├── yes → P1 klaviyo-outage: enable fallback mode, monitor the page, tell stakeholders
        │       └── no → P2 klaviyo-degraded: monitor the status page, tell stakeholders
        │   Can we reach anything?
        │   └── no → network: this machine cannot tell: ask another before anybody is paged
        │   → key-missing: give a key to know more
        │   see OUR SIDE
        └── could not tell
            → indeterminate: run again in a minute
            see OUR SIDE

        THE KEY
        What is the key?
        ├── an OAuth token → P1 token-expired: expired, or its refresh failed: nothing is to be rotated
        ├── unfit to be sent → P1 key-malformed: mend how it is stored
        ├── replaced since → key-replaced: load the new one into this shell
        ├── not the application's, which works → key-other: no outage: load the application's into this shell
        └── fit, and refused → P1 key-invalid: key revoked or rotated: verify and rotate

        THE LIMIT
        Is it one caller's doing, by the application's log?
        ├── yes → P2 runaway-loop: stop that caller
        └── no → P2 rate-limited: rate limit hit: reduce concurrency

        KLAVIYO'S OUTAGE
        Do nearly all requests fail?
        ├── yes → P1 klaviyo-outage: enable fallback mode, monitor the status page, tell stakeholders
        └── no → P2 klaviyo-degraded: retry with backoff, monitor the status page, tell stakeholders

        SOME FAIL
        Is it one endpoint only, each time?
        ├── yes → P3 partial: check that endpoint
        └── no → P2 server-error: likely intermittent: retry with backoff

        OUR SIDE
        Is our app healthy?
        ├── yes / not asked → healthy: resolved or intermittent: monitor
        ├── no, as Klaviyo fails it → a consequence: mend the rest first, then look again
        ├── no → P1 app-unhealthy: our infrastructure: check pods, memory, network
        ├── degraded → P2 app-unhealthy: our infrastructure: check pods, memory, network
        ├── not told → P4 monitoring-gap: no health endpoint answers there: mend the address
        └── not seen from here → where nothing is reached, this says nothing
        Which errors does our app get from Klaviyo?
        ├── 401, and the key is refused here too → see THE KEY
        ├── 401, but the app has the key that works → refused-elsewhere: of before, or not of the whole app: watch
        ├── 401 on nearly all calls, but the app has the key that works → P2 refused-elsewhere: not of the whole app
        ├── 401 on some calls only → P2 stale-app-key: part of the app may hold an old key: restart it
        ├── 401 on fewer calls than another error → P3 stale-app-key: part of the app may hold an old key: see it after
        ├── 401, and the key here was replaced → P1 stale-app-key: the app may hold the old one: restart it
        ├── 401, and the key is fine here → P1 stale-app-key: the app holds an old key: restart it
        ├── 401, and no key was judged here → P1 key-invalid: key revoked or rotated: verify and rotate
        ├── 403 → P3 scope-missing: check the key's scopes
        ├── 403 on nearly all calls → P1 scope-missing: check the key's scopes
        ├── 403, and the app has another key than here → P3 stale-app-key: the app holds an old key: restart it
        ├── 429 → see THE LIMIT
        ├── no 429 yet, and one caller runs away → P3 runaway-loop: stop that caller
        ├── 400 → P3 payload-invalid: payload validation error
        ├── 410 → P1 revision-retired: the app pins a retired revision
        ├── 410 on some calls only → P2 revision-retired: part of the app pins a retired revision
        ├── 410 on fewer calls than another error → P3 revision-retired: part of the app pins a retired revision
        ├── other 4xx → P3 payload-invalid: what the app sends or asks for is refused
        ├── 5xx, though app and probes are well → P3 server-error: over, or few: watch, retry with backoff
        ├── 5xx on nearly all calls → P1 server-error: this application's calls fail: queue, retry with backoff
        └── 5xx → P2 server-error: likely intermittent: retry with backoff
        Are webhooks arriving?
        ├── no: certificate → P3 webhook-certificate: renew the certificate
        ├── no: route → P3 webhook-down: webhook endpoint down: check the route
        └── yes, but the certificate ends soon → P4 webhook-certificate: renew the certificate
        Is the key as it is stored fit to be sent?
        ├── no → P1 key-malformed: the app sends what is stored: mend that
        └── no, and the application works → key-other: no outage: load the application's into this shell
        Is the API revision supported?
        ├── no: retired, and still answered → P3 revision-falling-forward: move to a supported revision
        ├── no: retired → P3 revision-retired: move to a supported revision
        └── no: deprecated → P4 revision-deprecated: plan the move
        Is a tenth of each quota left?
        └── no → P4 quota-low: find who spends it, before it is a 429
        Does all that we watch with answer?
        └── no → P4 monitoring-gap: mend the monitoring
        """.lines().toList();

    // ---- the walk

    /** One question on the way through the tree, and its answer. */
    public record Step(String question, String answer) { }

    /**
     * A leaf that was reached: what is wrong, how bad (null where that cannot be said), the way there, and the lines of
     * the tree that it took.
     */
    public record Case(Diagnosis diagnosis, Severity severity, List<Step> path, List<Integer> lines) {
        /** P1 to P3, then what could not be told, then P4. */
        int rank() {
            return severity == null ? 5 : severity.ordinal() * 2;
        }
    }

    private static final Pattern BRANCH = Pattern.compile("[├└]── (.+?)(?: → (.*))?");
    private static final Pattern LEAF = Pattern.compile("(?:(P\\d) )?([a-z-]+): .*");
    private static final Pattern WORDS = Pattern.compile("[^│ ]");
    private static final int INDENT = 4;
    /** From this share of failing requests on, it is an outage and not a degradation. */
    private static final double NEARLY_ALL = 0.8;

    private final Checks.Findings found;
    private final List<Case> cases = new ArrayList<>();

    /** The tree over what was found. */
    DecisionTree(Checks.Findings found) {
        this.found = found;
    }

    /** Every leaf that the findings lead to, in the order of the tree. */
    List<Case> walk() {
        walk(0, 0, List.of(), List.of());
        return cases;
    }

    // From a line on, as far as its column goes: what stands further right hangs under a branch.
    private void walk(int from, int column, List<Step> path, List<Integer> lines) {
        String question = "";
        List<Integer> seen = lines;
        Object answer = "";
        for (int i = from; i < TREE.size() && column(i) >= column; i++) {
            String words = TREE.get(i).substring(column);
            Matcher branch = BRANCH.matcher(words);
            if (column(i) == column && branch.matches()) {
                for (String label : branch.group(1).split(" / ")) {
                    if (holds(label, answer)) {
                        List<Step> longer = and(path, new Step(question, label));
                        follow(branch.group(2), i, column + INDENT, longer, and(seen, i));
                    }
                }
            } else if (column(i) == column && words.endsWith("?")) {
                question = words;
                answer = answer(question);
                seen = and(lines, i);
            } else if (column(i) == column) {
                follow(words.replaceFirst("^→ ", ""), i, column, path, and(lines, i));
            }
        }
    }

    private static boolean holds(String label, Object answer) {
        String plain = answer instanceof Boolean yes ? (yes ? "yes" : "no") : answer.toString();
        return answer instanceof Set<?> several ? several.contains(label) : plain.equals(label);
    }

    private void follow(String to, int line, int column, List<Step> path, List<Integer> lines) {
        Matcher leaf = LEAF.matcher(to == null ? "" : to);
        if (to == null) {
            walk(line + 1, column, path, lines);
        } else if (to.startsWith("see ")) {
            walk(TREE.indexOf(to.substring("see ".length())) + 1, 0, path, lines);
        } else if (leaf.matches()) {
            Severity severity = leaf.group(1) == null ? null : Severity.valueOf(leaf.group(1));
            cases.add(new Case(Diagnosis.of(leaf.group(2)), severity, path, lines));
        }
    }

    /** Where a line's words begin; an empty line, which ends a part, has none. */
    private static int column(int line) {
        Matcher words = WORDS.matcher(TREE.get(line));
        return words.find() ? words.start() : -1;
    }

    private static <T> List<T> and(List<T> some, T more) {
        return Stream.concat(some.stream(), Stream.of(more)).toList();
    }

    /** The whole tree, line by line, with {@code >} before what led to a leaf. */
    static List<String> draw(Case reached, boolean ascii) {
        return IntStream.range(0, TREE.size()).mapToObj(i -> (reached.lines.contains(i) ? "> " : "  ") + TREE.get(i))
                .map(line -> ascii ? line.replaceAll("[├└]──", "|--").replace("│", "|").replace("→", "->") : line)
                .toList();
    }

    // ---- the answers

    // Yes or no, one answer, or several that hold at once.
    private Object answer(String question) {
        return switch (question) {
            case "Is Klaviyo API returning errors?" -> apiReturnsErrors();
            case "Can we reach anything?" -> onlyOurAppReachesIt() ? "our application can" : somethingIsReached();
            case "What status code?" -> statusCodes();
            case "Which calls are refused?" -> refusedCalls();
            case "Does status.klaviyo.com show an incident?" -> page();
            case "Do nearly all requests fail?" -> failingShare() >= NEARLY_ALL;
            case "Is every request stopped?" -> share(Symptom.CDN_BLOCK::equals) == 1;
            case "Does one endpoint only refuse it?" -> found.showing(Symptom.REVISION::equals).size() == 1
                    && !found.appSees("410");
            case "Does any answer come from Klaviyo?" -> klaviyoAnswers();
            case "Is the API slow?" -> found.endpoints().stream().filter(ApiChecks.Probe::slow).count() * 2
                    > found.endpoints().size();
            case "Is it a major outage?" -> found.status().admitsMajorOutage();
            case "What is the key?" -> keyKind();
            case "Is it one caller's doing, by the application's log?" -> found.log().loop().isPresent();
            case "Is it one endpoint only, each time?" -> oneEndpointFails();
            case "Is our app healthy?" -> applicationHealth();
            case "Which errors does our app get from Klaviyo?" -> applicationErrors();
            case "Are webhooks arriving?" -> webhooks();
            case "Is the key as it is stored fit to be sent?" -> storedKey();
            case "Is the API revision supported?" -> revision();
            case "Is a tenth of each quota left?" -> found.limits().low().isEmpty();
            case "Does all that we watch with answer?" -> !found.errors().check().state().equals("unavailable")
                    && (found.status().seen() || found.status().check().outcome() == Outcome.SKIPPED);
            default -> throw new IllegalStateException("nobody answers: " + question);
        };
    }

    private String apiReturnsErrors() {
        String unasked = found.settings().key().isEmpty() ? "not asked: no key" : "could not tell";
        String asked = found.apiFails() ? "yes" : "no";
        return found.symptoms().isEmpty() ? unasked : asked;
    }

    /** Whether any server outside our own network answered, or at least let us connect. */
    private boolean somethingIsReached() {
        return found.network().reachesServer() || found.all().anyMatch(DecisionTree::reached)
                || found.status().seen() || found.status().check().http() != null;
    }

    /** Whether nothing of Klaviyo's answers here, while the application's calls go well and the page is green. */
    boolean onlyOurAppReachesIt() {
        boolean theirs = found.symptoms().keySet().stream().anyMatch(symptom ->
                symptom != Symptom.NO_ANSWER && symptom != Symptom.CDN_BLOCK && symptom != Symptom.FOREIGN);
        return !theirs && found.app().state().equals("yes") && found.errors().check().state().equals("counted")
                && !found.appSees(".*") && found.status().seen() && !found.status().admitsTrouble();
    }

    private static boolean reached(Http.Answer answer) {
        return !(answer instanceof Http.Fault fault) || !fault.kind().unreached() && fault.kind() != Http.Kind.TIMEOUT;
    }

    private boolean klaviyoAnswers() {
        return found.symptoms().keySet().stream().anyMatch(symptom -> symptom != Symptom.FOREIGN);
    }

    /** Whether what this machine sees is its own network's doing: what else it cannot reach says nothing. */
    private boolean cutOff() {
        return !somethingIsReached() || !found.symptoms().isEmpty() && !klaviyoAnswers();
    }

    private Set<String> statusCodes() {
        Set<String> answers = found.symptoms().keySet().stream().map(symptom -> symptom.words)
                .collect(Collectors.toSet());
        if (shedsLoad()) {
            // What comes beside it is the same trouble; the 403 is what it is known by.
            answers.removeAll(Set.of("403", "5xx or no answer"));
            answers.add("403 that names no scope, on most endpoints or beside 5xx");
        }
        return answers;
    }

    /** Whether 403s that name no scope are Klaviyo's own trouble: on most endpoints, or beside 5xx. */
    private boolean shedsLoad() {
        boolean unnamed = found.endpoints().stream().flatMap(probe -> probe.samples().stream())
                .anyMatch(Symptom::namesNoScope);
        return unnamed && (gets(Symptom.SERVER_ERROR)
                || found.showing(Symptom.FORBIDDEN::equals).size() * 2 > found.endpoints().size());
    }

    private String refusedCalls() {
        String some = forbidden().size() <= 1 ? "one endpoint" : "several endpoints";
        if (found.before().replacedAt().isPresent()) {
            return "those with a key that was replaced";
        }
        return share(Symptom.FORBIDDEN::equals) == 1 ? "every call" : some;
    }

    /** Endpoints refused with 403, but for accounts and webhooks, which a key may do without. */
    List<String> forbidden() {
        return found.showing(Symptom.FORBIDDEN::equals).stream()
                .filter(name -> !name.equals("accounts") && !name.equals("webhooks")).toList();
    }

    private boolean gets(Symptom symptom) {
        return found.symptoms().containsKey(symptom);
    }

    private String page() {
        String unseen = found.status().seen() ? "no" : "not seen";
        return found.status().admitsTrouble() ? "yes" : unseen;
    }

    /** The share of API requests that failed on Klaviyo's side, 0 to 1. */
    double failingShare() {
        return share(Symptom::failure) + (shedsLoad() ? share(Symptom.FORBIDDEN::equals) : 0);
    }

    /** The share of API requests with some symptoms, 0 to 1. */
    double share(Predicate<Symptom> some) {
        Map<Symptom, Integer> symptoms = found.symptoms();
        int all = symptoms.values().stream().mapToInt(Integer::intValue).sum();
        return symptoms.entrySet().stream().filter(one -> some.test(one.getKey()))
                .mapToInt(Map.Entry::getValue).sum() / (double) Math.max(1, all);
    }

    /** One endpoint fails each time it is asked, and no other ever does. */
    private boolean oneEndpointFails() {
        List<String> names = found.showing(Symptom::failure);
        return names.size() == 1 && found.answers().get(names.get(0)).stream().map(Symptom::of)
                .allMatch(Symptom::failure);
    }

    private String keyKind() {
        if (found.settings().key().map(Key::token).orElse(false)) {
            return "an OAuth token";
        } else if (found.before().replacedAt().isEmpty() && applicationHasAnotherKey()) {
            return "not the application's, which works";
        }
        String fit = found.before().replacedAt().isPresent() ? "replaced since" : "fit, and refused";
        // Where the bare key is refused as well, that is the trouble, and how it is stored comes second.
        boolean bare = found.settings().key().map(key -> key.cleaned().faults().isEmpty()).orElse(false);
        return found.keyFaults().isEmpty() || bare && gets(Symptom.UNAUTHORIZED) ? fit : "unfit to be sent";
    }

    /** Whether the application's own key is taken, by what is seen of its calls, and is not the one in this shell. */
    private boolean applicationHasAnotherKey() {
        String theirs = found.applicationsKey();
        // Where other errors than those of a key are what ails it, its key is not the trouble.
        boolean suffers = found.appSees(".*");
        boolean looked = suffers || found.errors().check().state().equals("counted")
                || found.log().check().state().equals("recent");
        boolean other = theirs.isEmpty() ? looked : found.applicationHasOtherKey();
        String health = found.app().state();
        boolean taken = suffers || health.equals("yes") || health.equals("degraded") && looked;
        return other && taken && !found.appSees("401");
    }

    private String storedKey() {
        String unfit = applicationHasAnotherKey() ? "no, and the application works" : "no";
        return found.keyFaults().isEmpty() ? "yes" : unfit;
    }

    private String applicationHealth() {
        String state = found.app().state();
        if (!state.equals("no") && !state.equals("degraded")) {
            return state;
        } else if (cutOff()) {
            return "not seen from here";
        }
        boolean refused = found.appSees("401|403|429|5\\d\\d|5xx");
        boolean failing = klaviyoAnswers() && share(Symptom.NONE::equals) <= 0.5;
        boolean explained = refused || failing || found.status().admitsMajorOutage()
                || state.equals("degraded") && share(Symptom::failure) > 0;
        return explained ? "no, as Klaviyo fails it" : state;
    }

    /** Whether our application is unwell because Klaviyo is: no second cause, and no worse a verdict. */
    boolean applicationSuffers() {
        return applicationHealth().equals("no, as Klaviyo fails it");
    }

    private Set<String> applicationErrors() {
        Set<String> answers = Stream.of("429", "400").filter(found::appSees).collect(Collectors.toSet());
        if (found.appSees("410")) {
            answers.add(found.onSomeCalls("410") ? "410 on " + some("410") : "410");
        }
        if (found.appSees("401")) {
            boolean some = !gets(Symptom.UNAUTHORIZED) && found.onSomeCalls("401");
            String now = found.log().nearlyAll().contains("401") ? "401 on nearly all calls" : "401";
            String whose = found.applicationHasThisKey() ? now + ", but the app has the key that works"
                    : "401, and " + keyHere();
            answers.add(some ? "401 on " + some("401") : whose);
        }
        // A 403 tells the application nothing about who sent it: where our probes are stopped or shed, so is it.
        if (found.appSees("403") && !gets(Symptom.CDN_BLOCK) && !shedsLoad()) {
            boolean stale = found.keyIsAccepted() && !gets(Symptom.FORBIDDEN) && found.applicationHasOtherKey();
            String share = found.log().nearlyAll().contains("403") ? "403 on nearly all calls" : "403";
            answers.add(stale ? "403, and the app has another key than here" : share);
        }
        if (found.log().loop().isPresent() && !found.appSees("429")) {
            answers.add("no 429 yet, and one caller runs away");
        }
        if (found.appSees(OurSide.OTHER_REFUSAL)) {
            answers.add("other 4xx");
        }
        // Where the probes fail as well, the application's 5xx are no news; where nothing was reached, they are.
        boolean known = failingShare() > 0 && somethingIsReached() || found.status().admitsTrouble();
        if (found.appSees(OurSide.SERVER_ERROR) && !known) {
            answers.add(serverErrors());
        }
        return answers;
    }

    // A counter tells of minutes ago: where all that is looked at now is well, that weighs more.
    private String serverErrors() {
        boolean logged = found.log().byStatus().keySet().stream().anyMatch(one -> one.matches(OurSide.SERVER_ERROR));
        boolean well = found.app().state().equals("yes") && found.symptoms().keySet().equals(Set.of(Symptom.NONE));
        boolean past = well && !logged && found.errors().check().state().equals("counted");
        String now = found.log().nearlyAll().contains(OurSide.SERVER_ERROR) ? "5xx on nearly all calls" : "5xx";
        return past ? "5xx, though app and probes are well" : now;
    }

    // What few calls get leads nowhere while many more get something else.
    private String some(String status) {
        return found.outnumbered(status) ? "fewer calls than another error" : "some calls only";
    }

    private String keyHere() {
        String good = found.keyIsAccepted() ? "the key is fine here" : "no key was judged here";
        String bad = found.before().replacedAt().isPresent() ? "the key here was replaced"
                : "the key is refused here too";
        return gets(Symptom.UNAUTHORIZED) ? bad : good;
    }

    private String webhooks() {
        String state = found.webhook().state();
        return state.startsWith("no:") && cutOff() ? "not seen from here" : state;
    }

    private String revision() {
        String state = found.revision().state();
        return state.equals("no: retired") && found.keyIsAccepted() ? "no: retired, and still answered" : state;
    }
}
