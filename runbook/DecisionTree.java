package runbook;

import java.util.*;
import java.util.function.*;
import java.util.regex.*;
import java.util.stream.*;
import runbook.ApiChecks.Symptom;
import runbook.Message.Wording;
import runbook.Screen.Check.Outcome;
import runbook.Verdict.Case;
import runbook.Verdict.Severity;

/**
 * The runbook's decision tree, whole, and what it leaves out: our own network, a silent outage, a CDN block, a retired
 * revision, a stale key in the application, certificates, gaps in monitoring. It is walked as it is drawn: every
 * question is answered below, every branch that holds is followed, and a leaf says how bad that is by the
 * runbook's definitions. What to do then stands in {@code templates/diagnoses.json}.
 */
public final class DecisionTree {
    /** A line that ends in a question mark asks; {@code a / b} is either answer; {@code see NAME} goes on there. */
    private static final List<String> TREE = """
        Is Klaviyo API returning errors?
        ├── yes
        │   Can we reach anything?
        │   ├── yes
        │   │   What status code?
        │   │   ├── 401 → see THE KEY
        │   │   ├── 403
        │   │   │   How much of it is refused?
        │   │   │   ├── all with a key that was replaced → key-replaced: load the new one into this shell
        │   │   │   ├── nearly all requests → P1 scope-missing: check the key's scopes
        │   │   │   ├── some requests → P2 scope-missing: check the key's scopes
        │   │   │   └── one endpoint alone → P3 scope-missing: check the key's scopes
        │   │   ├── 403 that names no scope, on most endpoints or beside 5xx
        │   │   │   Does status.klaviyo.com show an incident?
        │   │   │   ├── yes → see KLAVIYO'S OUTAGE
        │   │   │   └── no / not seen
        │   │   │       How much of it fails?
        │   │   │       ├── nearly all requests → P1 load-shed: not a scope: enable fallback mode, tell stakeholders
        │   │   │       └── some requests / one endpoint alone → P2 load-shed: queue and retry, what got a 403 too
        │   │   ├── 403 from the CDN
        │   │   │   How much of it is blocked?
        │   │   │   ├── nearly all requests → P1 cdn-blocked: not a scope: our address or client is blocked
        │   │   │   └── some requests / one endpoint alone → P2 cdn-blocked: our address or client is blocked
        │   │   ├── 429 → see THE LIMIT
        │   │   ├── 400 → P3 payload-invalid: payload validation error
        │   │   ├── revision refused
        │   │   │   How much of it refuses that?
        │   │   │   ├── one endpoint alone → P3 revision-retired: this revision may not have it: move to a supported one
        │   │   │   └── some requests / nearly all requests → P1 revision-retired: move to a supported revision
        │   │   ├── other 4xx → P3 partial: check that endpoint
        │   │   ├── 5xx or no answer / 400 or other 4xx to everything
        │   │   │   Does status.klaviyo.com show an incident?
        │   │   │   ├── yes → see KLAVIYO'S OUTAGE
        │   │   │   └── no / not seen
        │   │   │       How much of it fails?
        │   │   │       ├── nearly all requests
        │   │   │       │   Was the page seen?
        │   │   │       │   ├── yes → P1 silent-outage: treat as an outage, open a ticket at Klaviyo
        │   │   │       │   └── no → P1 unconfirmed-outage: treat as an outage, see the page from elsewhere
        │   │   │       ├── some requests → P2 server-error: likely intermittent: retry with backoff
        │   │   │       └── one endpoint alone → P3 partial: check that endpoint
        │   │   └── not Klaviyo's answer
        │   │       Does any answer come from Klaviyo?
        │   │       ├── yes → P3 partial: check that endpoint
        │   │       └── no → network: this machine cannot tell: ask another before anybody is paged
        │   └── no / our application alone can → network: this machine cannot tell: ask another before anybody is paged
        │   see OUR SIDE
        ├── no
        │   Does status.klaviyo.com show an incident?
        │   └── yes → P2 klaviyo-degraded: partial issue: monitor the status page
        │   Is the API slow?
        │   ├── yes → P2 klaviyo-slow: partial issue: retry with backoff
        │   └── it seems so to a machine that is busy itself → indeterminate: ask from another, or run again
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
        ├── not the application's, which works → key-other: no outage: load the application's into this shell
        ├── refused here, and taken there → P2 partial: check what refuses it
        ├── unfit to be sent → P1 key-malformed: mend how it is stored
        ├── an OAuth token → P1 token-expired: expired, or its refresh failed: nothing is to be rotated
        ├── replaced since → key-replaced: load the new one into this shell
        └── fit, and refused → P1 key-invalid: key revoked or rotated: verify and rotate

        THE LIMIT
        Is it one caller's doing, by the application's log?
        ├── yes → P2 runaway-loop: stop that caller
        └── no → P2 rate-limited: rate limit hit: reduce concurrency

        KLAVIYO'S OUTAGE
        How much of it fails?
        ├── nearly all requests → P1 klaviyo-outage: enable fallback mode, monitor the status page, tell stakeholders
        └── some requests / one endpoint alone → P2 klaviyo-degraded: retry with backoff, monitor the status page

        OUR SIDE
        Is our app healthy?
        ├── yes / not asked → healthy: resolved or intermittent: monitor
        ├── no, as Klaviyo fails it → a consequence: mend the rest first, then look again
        ├── no → P1 app-unhealthy: our infrastructure: check pods, memory, network
        ├── degraded → P2 app-unhealthy: our infrastructure: check pods, memory, network
        ├── not told → P4 monitoring-gap: nothing there tells its health: mend the address
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
        ├── 403 on nearly all calls → P1 scope-missing: check the key's scopes
        ├── 403 / 403 on some calls only / 403 on fewer calls than another error → P3 scope-missing: check its scopes
        ├── 429 → see THE LIMIT
        ├── no 429 yet, and one caller runs away → P3 runaway-loop: stop that caller
        ├── 400 → P3 payload-invalid: payload validation error
        ├── 410 / 410 on nearly all calls → P1 revision-retired: the app pins a retired revision
        ├── 410 on some calls only → P2 revision-retired: part of the app pins a retired revision
        ├── 410 on fewer calls than another error → P3 revision-retired: part of the app pins a retired revision
        ├── other 4xx → P3 payload-invalid: what the app sends or asks for is refused
        ├── 5xx on nearly all calls → P1 server-error: this application's calls fail: queue, retry with backoff
        └── 5xx → P2 server-error: likely intermittent: retry with backoff
        Are webhooks arriving?
        ├── no: certificate → P3 webhook-certificate: renew the certificate
        ├── no: route → P3 webhook-down: webhook endpoint down: check the route
        └── yes, but the certificate ends soon → P4 webhook-certificate: renew the certificate
        Is the key as it is stored fit to be sent?
        └── no → see THE KEY
        Is the API revision supported?
        ├── no: retired, and still answered → P3 revision-falling-forward: move to a supported revision
        ├── no: retired → P3 revision-retired: move to a supported revision
        └── no: deprecated → P4 revision-deprecated: plan the move
        Is a tenth of each quota left?
        └── no → P4 quota-low: find who spends it, before it is a 429
        Does all that we watch with answer?
        └── no → P4 monitoring-gap: mend the monitoring
        """.lines().toList();

    /** An answer: our application is unwell because Klaviyo is. */
    static final String SUFFERS = "no, as Klaviyo fails it";

    // ---- the walk

    /** One question on the way through the tree, and its answer. */
    public record Step(String question, String answer) { }

    private static final Pattern BRANCH = Pattern.compile("[├└]── (.+?)(?: → (.*))?");
    private static final Pattern LEAF = Pattern.compile("(?:(P\\d) )?([a-z-]+): .*");
    /** What stands before a line's words: a part ends where a line has none. */
    private static final Pattern RULES = Pattern.compile("[│ ]*");
    private static final int INDENT = 4;
    /** From this share of failing requests on, it is an outage and not a degradation. */
    private static final double NEARLY_ALL = 0.8;
    private static final Set<Symptom> REFUSALS = EnumSet.of(Symptom.INVALID, Symptom.OTHER_CLIENT_ERROR);

    private final Checks.Findings found;
    private final List<Case> cases = new ArrayList<>();

    DecisionTree(Checks.Findings found) {
        this.found = found;
    }

    /**
     * What the findings mean: every leaf that they lead to, the worst first, and of two that are equally bad the one
     * with the earlier row. Of a diagnosis that holds twice the worse counts, and nothing is healthy beside another.
     */
    public static Verdict judge(Checks.Findings found, Map<String, Wording> wording) {
        DecisionTree tree = new DecisionTree(found);
        tree.walk(0, 0, List.of(), List.of());
        List<String> rows = List.copyOf(wording.keySet());
        Set<String> named = new HashSet<>();
        List<Case> worstFirst = tree.cases.stream()
                .sorted(Comparator.comparing(Case::rank).thenComparing(one -> rows.indexOf(one.diagnosis())))
                .filter(one -> named.add(one.diagnosis())).toList();
        List<Case> wrong = worstFirst.stream().filter(one -> one.exitCode() != 0).toList();
        return new Verdict(found, found.at(), wrong.isEmpty() ? worstFirst : wrong, wording);
    }

    // From a line on, as far as its column goes: what stands further right hangs under a branch.
    private void walk(int from, int column, List<Step> path, List<Integer> lines) {
        String question = "";
        Set<String> answers = Set.of();
        List<Integer> asked = lines;
        for (int i = from; i < TREE.size() && column(i) >= column; i++) {
            String words = TREE.get(i).substring(column);
            Matcher branch = BRANCH.matcher(words);
            if (column(i) > column) {
                continue;
            } else if (branch.matches()) {
                for (String label : branch.group(1).split(" / ")) {
                    if (answers.contains(label)) {
                        List<Step> further = and(path, new Step(question, label));
                        follow(branch.group(2), i, column + INDENT, further, and(asked, i));
                    }
                }
            } else if (words.endsWith("?")) {
                question = words;
                answers = answers(question);
                asked = and(lines, i);
            } else {
                follow(words.replaceFirst("^→ ", ""), i, column, path, and(lines, i));
            }
        }
    }

    private void follow(String to, int line, int column, List<Step> path, List<Integer> lines) {
        Matcher leaf = LEAF.matcher(to == null ? "" : to);
        if (to == null) {
            walk(line + 1, column, path, lines);
        } else if (to.startsWith("see ")) {
            walk(TREE.indexOf(to.substring("see ".length())) + 1, 0, path, lines);
        } else if (leaf.matches()) {
            Severity severity = leaf.group(1) == null ? null : Severity.valueOf(leaf.group(1));
            cases.add(new Case(leaf.group(2), severity, path, lines));
        }
    }

    /** Where a line's words begin; an empty line, which ends a part, has none. */
    private static int column(int line) {
        Matcher rules = RULES.matcher(TREE.get(line));
        return rules.lookingAt() && !rules.hitEnd() ? rules.end() : -1;
    }

    private static <T> List<T> and(List<T> some, T more) {
        return Stream.concat(some.stream(), Stream.of(more)).toList();
    }

    /** The whole tree, line by line, with {@code >} before what led to a leaf. */
    public static List<String> draw(Case reached, boolean ascii) {
        return IntStream.range(0, TREE.size()).mapToObj(i -> (reached.lines().contains(i) ? "> " : "  ") + TREE.get(i))
                .map(line -> ascii ? line.replaceAll("[├└]──", "|--").replace("│", "|").replace("→", "->") : line)
                .toList();
    }

    // ---- the answers, of which several may hold at once

    private Set<String> answers(String question) {
        return switch (question) {
            case "Is Klaviyo API returning errors?" -> Set.of(apiReturnsErrors());
            case "Can we reach anything?" -> onlyOurAppReachesIt() ? Set.of("our application alone can")
                    : yes(found.reachesAnything());
            case "What status code?" -> statusCodes();
            case "How much of it is refused?" -> Set.of(found.before().replacedAt().isPresent()
                    ? "all with a key that was replaced" : extent(Symptom.FORBIDDEN::equals));
            case "How much of it is blocked?" -> Set.of(extent(Symptom.CDN_BLOCK::equals));
            case "How much of it refuses that?" -> Set.of(extent(Symptom.REVISION::equals));
            case "How much of it fails?" -> Set.of(extent(this::failing));
            case "Does status.klaviyo.com show an incident?" -> Set.of(page());
            case "Was the page seen?" -> yes(found.status().seen());
            case "Does any answer come from Klaviyo?" -> yes(found.klaviyoAnswers());
            case "Is the API slow?" -> Set.of(found.slow());
            case "Is it a major outage?" -> yes(found.status().admitsMajorOutage());
            case "What is the key?" -> Set.of(keyKind());
            case "Is it one caller's doing, by the application's log?" -> yes(found.log().loop().isPresent());
            case "Is our app healthy?" -> Set.of(applicationHealth());
            case "Which errors does our app get from Klaviyo?" -> applicationErrors();
            case "Are webhooks arriving?" -> Set.of(found.webhook().state().startsWith("no:") && cutOff()
                    ? "not seen from here" : found.webhook().state());
            case "Is the key as it is stored fit to be sent?" -> yes(found.keyFaults().isEmpty());
            case "Is the API revision supported?" -> Set.of(revision());
            case "Is a tenth of each quota left?" -> yes(found.limits().low().isEmpty());
            case "Does all that we watch with answer?" -> yes(!found.errors().check().state().equals("unavailable")
                    && (found.status().seen() || found.status().check().outcome() == Outcome.SKIPPED));
            default -> throw new IllegalStateException("nobody answers: " + question);
        };
    }

    private static Set<String> yes(boolean so) {
        return Set.of(so ? "yes" : "no");
    }

    private String apiReturnsErrors() {
        if (found.symptoms().isEmpty()) {
            return found.settings().key().isEmpty() ? "not asked: no key" : "could not tell";
        }
        return found.apiFails() ? "yes" : "no";
    }

    private String revision() {
        String state = found.revision().state();
        return state.equals("no: retired") && found.keyIsAccepted() ? "no: retired, and still answered" : state;
    }

    private String page() {
        String unseen = found.status().seen() ? "no" : "not seen";
        return found.status().admitsTrouble() ? "yes" : unseen;
    }

    // ---- whose network it is

    /** Whether nothing of Klaviyo's answers here, while the application's calls go well and the page is green. */
    boolean onlyOurAppReachesIt() {
        Set<Symptom> ours = EnumSet.of(Symptom.NO_ANSWER, Symptom.CDN_BLOCK, Symptom.FOREIGN);
        return ours.containsAll(found.symptoms().keySet()) && found.app().state().equals("yes")
                && found.errors().check().state().equals("counted") && !found.appSees(".*")
                && page().equals("no");
    }

    /** Whether what this machine sees is its own network's doing: what else it cannot reach says nothing. */
    private boolean cutOff() {
        return !found.reachesAnything() || !found.symptoms().isEmpty() && !found.klaviyoAnswers();
    }

    // ---- what the API answers

    private boolean gets(Symptom symptom) {
        return found.symptoms().containsKey(symptom);
    }

    private Set<String> statusCodes() {
        Set<String> answers = found.symptoms().keySet().stream().map(symptom -> symptom.words)
                .collect(Collectors.toSet());
        if (shedsLoad()) {
            // What comes beside it is the same trouble; the 403 is what it is known by.
            answers.removeAll(Set.of("403", "5xx or no answer"));
            answers.add("403 that names no scope, on most endpoints or beside 5xx");
        }
        if (refusesAll()) {
            answers.removeAll(Set.of("400", "other 4xx"));
            answers.add("400 or other 4xx to everything");
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

    // Nothing gets through, and neither a key, a payload nor a limit explains that.
    private boolean refusesAll() {
        return !gets(Symptom.NONE) && found.share(REFUSALS::contains) >= NEARLY_ALL;
    }

    /** Whether it is Klaviyo's own trouble. */
    boolean failing(Symptom symptom) {
        return symptom.failure() || symptom == Symptom.FORBIDDEN && shedsLoad()
                || REFUSALS.contains(symptom) && refusesAll();
    }

    /** How much of what was asked shows some symptoms. One endpoint alone shows them each time, and no other ever. */
    private String extent(Predicate<Symptom> some) {
        List<String> names = found.showing(some);
        boolean alone = names.size() == 1 && found.answers().get(names.get(0)).stream().map(Symptom::of).allMatch(some);
        String less = alone ? "one endpoint alone" : "some requests";
        return found.share(some) >= NEARLY_ALL ? "nearly all requests" : less;
    }

    // ---- the key

    private String keyKind() {
        Optional<Key> key = found.settings().key();
        boolean replaced = found.before().replacedAt().isPresent();
        // Where the bare key is refused as well, that is the trouble, and how it is stored comes second.
        boolean bare = key.filter(one -> one.cleaned().faults().isEmpty()).isPresent();
        if (!replaced && found.applicationWorksWithAnotherKey()) {
            return "not the application's, which works";
        } else if (!replaced && gets(Symptom.UNAUTHORIZED) && gets(Symptom.NONE)) {
            return "refused here, and taken there";
        } else if (!found.keyFaults().isEmpty() && !(bare && gets(Symptom.UNAUTHORIZED))) {
            return "unfit to be sent";
        }
        String sent = replaced ? "replaced since" : "fit, and refused";
        return key.filter(Key::token).isPresent() ? "an OAuth token" : sent;
    }

    // ---- our side

    /** How our application does; suffering because Klaviyo fails, it is no second cause, and no worse a verdict. */
    String applicationHealth() {
        String state = found.app().state();
        if (!state.equals("no") && !state.equals("degraded")) {
            return state;
        } else if (cutOff()) {
            return "not seen from here";
        }
        boolean refused = found.appSees("401|403|429|5\\d\\d|5xx");
        boolean failing = found.klaviyoAnswers() && found.share(Symptom.NONE::equals) <= 0.5;
        boolean explained = refused || failing || found.status().admitsMajorOutage()
                || state.equals("degraded") && found.share(Symptom::failure) > 0;
        return explained ? SUFFERS : state;
    }

    private Set<String> applicationErrors() {
        Set<String> answers = Stream.of("429", "400").filter(found::appSees).collect(Collectors.toSet());
        if (found.appSees("401")) {
            answers.add(refusedApplication());
        }
        if (found.appSees("410")) {
            answers.add("410" + found.onCalls("410"));
        }
        // A 403 tells the application nothing about who sent it: where our probes are stopped or shed, so is it.
        if (found.appSees("403") && !gets(Symptom.CDN_BLOCK) && !shedsLoad()) {
            answers.add("403" + found.onCalls("403"));
        }
        if (found.log().loop().isPresent() && !found.appSees("429")) {
            answers.add("no 429 yet, and one caller runs away");
        }
        if (found.appSees(OurSide.OTHER_REFUSAL)) {
            answers.add("other 4xx");
        }
        // Where the probes fail as well, the application's 5xx are no news; where nothing was reached, they are.
        boolean known = found.share(this::failing) > 0 && found.reachesAnything() || found.status().admitsTrouble();
        if (found.appSees(AppLog.SERVER_ERROR) && !known) {
            answers.add("5xx" + found.onCalls(AppLog.SERVER_ERROR));
        }
        return answers;
    }

    // Whose key is refused there. What few calls get leads nowhere while many more get something else.
    private String refusedApplication() {
        boolean replaced = found.before().replacedAt().isPresent();
        if (gets(Symptom.UNAUTHORIZED) && !gets(Symptom.NONE)) {
            return replaced ? "401, and the key here was replaced" : "401, and the key is refused here too";
        } else if (found.onSomeCalls("401")) {
            return "401" + found.onCalls("401");
        } else if (found.applicationHasThisKey()) {
            return "401" + found.onCalls("401") + ", but the app has the key that works";
        }
        return found.keyIsAccepted() ? "401, and the key is fine here" : "401, and no key was judged here";
    }
}
