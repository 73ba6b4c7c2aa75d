package runbook;

import static runbook.DecisionTree.Diagnosis.*;
import static runbook.Verdict.Severity.P1;
import static runbook.Verdict.Severity.P2;
import static runbook.Verdict.Severity.P3;
import static runbook.Verdict.Severity.P4;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.ApiChecks.Probe;
import runbook.ApiChecks.Symptom;
import runbook.Screen.Check.Outcome;
import runbook.Checks.Findings;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Verdict.Severity;

/**
 * The runbook's decision tree, whole, and what it leaves out: our own network, a silent outage, a CDN block, a retired
 * revision, a stale key in the application, certificates, gaps in monitoring. {@link Facts} answers its questions, its
 * leaves say how bad it is by the runbook's definitions, and {@code templates/diagnoses.json} says the rest.
 */
public final class DecisionTree {
    /** What can be wrong, in the order in which the worse leads where two have the same severity. */
    public enum Diagnosis {
        KLAVIYO_OUTAGE, SILENT_OUTAGE, UNCONFIRMED_OUTAGE, LOAD_SHED, NETWORK, KEY_MALFORMED, TOKEN_EXPIRED,
        KEY_REPLACED, KEY_INVALID, STALE_APP_KEY, REVISION_RETIRED, CDN_BLOCKED, RUNAWAY_LOOP, RATE_LIMITED,
        SERVER_ERROR, KLAVIYO_DEGRADED, KLAVIYO_SLOW, SCOPE_MISSING, PAYLOAD_INVALID, PARTIAL, APP_UNHEALTHY,
        WEBHOOK_DOWN, WEBHOOK_CERTIFICATE, REVISION_FALLING_FORWARD, QUOTA_LOW, REVISION_DEPRECATED, MONITORING_GAP,
        KEY_MISSING, INDETERMINATE, HEALTHY;

        /** The name that JSON, journal and templates use: {@code klaviyo-outage}. */
        public String id() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }
    }

    /** One question on the way through the tree, and its answer. */
    public record Step(String question, String answer) { }

    private DecisionTree() { }

    /** From this share of failing requests on, it is an outage and not a degradation. */
    private static final double NEARLY_ALL = 0.8;
    private static final String PAGE = "Does status.klaviyo.com show an incident?";
    private static final String NEARLY = "Do nearly all requests fail?";
    private static final Tree NOTHING = all("");
    private static final Tree NOTHING_ELSE = leaf(null, HEALTHY, "resolved or intermittent: monitor");
    private static final Tree ONLY_HERE = leaf(null, NETWORK,
            "this machine cannot tell: ask another before anybody is paged");

    // 401 -> key revoked or rotated -> verify and rotate
    private static final Tree REFUSED_KEY = ask("What is the key?", Facts::keyKind,
            branch("an OAuth token", leaf(P1, TOKEN_EXPIRED,
                    "expired, or its refresh failed: nothing is to be rotated")),
            branch("unfit to be sent", leaf(P1, KEY_MALFORMED, "mend how it is stored")),
            branch("replaced since", leaf(null, KEY_REPLACED, "load the new one into this shell")),
            branch("fit, and refused", leaf(P1, KEY_INVALID, "key revoked or rotated: verify and rotate")));

    private static final Tree MISSING_SCOPE = yesNo("Does every call fail?",
            found -> Facts.share(found, Symptom.FORBIDDEN::equals) >= 1,
            leaf(P1, SCOPE_MISSING, "missing scope: check the key's scopes"),
            yesNo("Is it one endpoint only?", found -> Facts.forbidden(found).size() <= 1,
                    leaf(P3, SCOPE_MISSING, "missing scope: check the key's scopes"),
                    leaf(P2, SCOPE_MISSING, "missing scope: check the key's scopes")));

    private static final Tree SHED = yesNo(NEARLY, Facts::nearlyAllFail,
            leaf(P1, LOAD_SHED, "not a scope: enable fallback mode, queue, tell stakeholders"),
            leaf(P2, LOAD_SHED, "not a scope: queue and retry, also what was refused with 403"));

    private static final Tree ADMITTED = yesNo(NEARLY, Facts::nearlyAllFail,
            leaf(P1, KLAVIYO_OUTAGE, "enable fallback mode, monitor the status page, tell stakeholders"),
            leaf(P2, KLAVIYO_DEGRADED, "retry with backoff, monitor the status page, tell stakeholders"));

    private static final Tree SOME_FAIL = yesNo("Is it one endpoint only?", Facts::oneEndpointFails,
            leaf(P3, PARTIAL, "check that endpoint"),
            leaf(P2, SERVER_ERROR, "likely intermittent: retry with backoff"));

    private static final Tree FAILING = ask(PAGE, Facts::page,
            branch("yes", ADMITTED),
            branch("no", yesNo(NEARLY, Facts::nearlyAllFail,
                    leaf(P1, SILENT_OUTAGE, "treat as an outage, open a ticket at Klaviyo"), SOME_FAIL)),
            branch("not seen", yesNo(NEARLY, Facts::nearlyAllFail,
                    leaf(P1, UNCONFIRMED_OUTAGE, "treat as an outage, look at the status page from elsewhere"),
                    SOME_FAIL)));

    private static final Tree THROTTLED = yesNo("Is it one caller's doing, by the application's log?",
            found -> found.log().loop().isPresent(),
            leaf(P2, RUNAWAY_LOOP, "stop that caller"),
            leaf(P2, RATE_LIMITED, "rate limit hit: reduce concurrency"));

    private static final Tree CDN = yesNo("Is every request stopped?",
            found -> Facts.share(found, Symptom.CDN_BLOCK::equals) >= 1,
            leaf(P1, CDN_BLOCKED, "not a scope: our address or client is blocked"),
            leaf(P2, CDN_BLOCKED, "not a scope: our address or client is blocked"));

    private static final Tree WHAT_STATUS_CODE = askAll("What status code?", Facts::statusCodes,
            branch("401", REFUSED_KEY),
            branch("403", MISSING_SCOPE),
            branch("403 that names no scope, on most endpoints or beside 5xx",
                    ask(PAGE, Facts::page, branch("yes", ADMITTED), branch("no", SHED), branch("not seen", SHED))),
            branch("403 from the CDN", CDN),
            branch("429", THROTTLED),
            branch("400", leaf(P3, PAYLOAD_INVALID, "payload validation error")),
            branch("revision refused", yesNo("Is it one endpoint only?", Facts::oneEndpointLacksTheRevision,
                    leaf(P3, REVISION_RETIRED, "this revision may not have it: move to a supported one"),
                    leaf(P1, REVISION_RETIRED, "move to a supported revision"))),
            branch("other 4xx", leaf(P3, PARTIAL, "check that endpoint")),
            branch("5xx or no answer", FAILING),
            branch("not Klaviyo's answer", yesNo("Does any answer come from Klaviyo?", Facts::klaviyoAnswers,
                    leaf(P3, PARTIAL, "check that endpoint"), ONLY_HERE)));

    private static final Tree APPLICATION = all("our application",
            ask("Is our app healthy?", Facts::applicationHealth,
                    branch("yes", NOTHING_ELSE),
                    branch(Facts.CONSEQUENCE, leaf(null, null,
                            "a consequence: mend the rest first, then look again")),
                    branch("no", leaf(P1, APP_UNHEALTHY, "our infrastructure: check pods, memory, network")),
                    branch("degraded", leaf(P2, APP_UNHEALTHY, "our infrastructure: check pods, memory, network")),
                    branch("not asked", NOTHING_ELSE),
                    branch("not seen from here", leaf(null, null, "where nothing is reached, this says nothing"))),
            askAll("Which errors does our app get from Klaviyo?", Facts::applicationErrors,
                    branch("401, and the key is refused here too", REFUSED_KEY),
                    branch("401 on some calls only", leaf(P2, STALE_APP_KEY,
                            "part of the app may hold an old key: update its secret, restart it")),
                    branch("401, and the key here was replaced",
                            leaf(P1, STALE_APP_KEY, "the app may hold the old one too: update its secret, restart it")),
                    branch("401, and the key is fine here",
                            leaf(P1, STALE_APP_KEY, "the app holds an old key: update its secret, restart it")),
                    branch("401, and no key was judged here",
                            leaf(P1, KEY_INVALID, "key revoked or rotated: verify and rotate")),
                    branch("403", leaf(P3, SCOPE_MISSING, "missing scope: check the key's scopes")),
                    branch("429", THROTTLED),
                    branch("no 429 yet, and one caller runs away", leaf(P3, RUNAWAY_LOOP, "stop that caller")),
                    branch("400", leaf(P3, PAYLOAD_INVALID, "payload validation error")),
                    branch("410", leaf(P1, REVISION_RETIRED, "the app pins a retired revision")),
                    branch("410 on some calls only",
                            leaf(P2, REVISION_RETIRED, "part of the app pins a retired revision")),
                    branch("other 4xx", leaf(P3, PAYLOAD_INVALID, "what the app sends or asks for is refused")),
                    branch("5xx", leaf(P2, SERVER_ERROR, "likely intermittent: retry with backoff"))),
            ask("Are webhooks arriving?", Facts::webhooks,
                    branch("no: certificate", leaf(P3, WEBHOOK_CERTIFICATE, "renew the certificate")),
                    branch("no: route", leaf(P3, WEBHOOK_DOWN, "webhook endpoint down: check the route")),
                    branch("yes, but the certificate ends soon",
                            leaf(P4, WEBHOOK_CERTIFICATE, "renew the certificate"))));

    private static final Tree UPKEEP = all("upkeep",
            yesNo("Is the key as it is stored fit to be sent?", found -> found.keyFaults().isEmpty(), NOTHING,
                    leaf(P1, KEY_MALFORMED, "the app sends what is stored: mend that")),
            ask("Is the API revision supported?", Facts::revision,
                    branch("no: retired, and still answered",
                            leaf(P3, REVISION_FALLING_FORWARD, "move to a supported revision")),
                    branch("no: retired", leaf(P3, REVISION_RETIRED, "move to a supported revision")),
                    branch("no: deprecated", leaf(P4, REVISION_DEPRECATED, "plan the move"))),
            yesNo("Is a tenth of each quota left?", found -> found.limits().low().isEmpty(), NOTHING,
                    leaf(P4, QUOTA_LOW, "find who spends it, before it is a 429")),
            yesNo("Does all that we watch with answer?", Facts::allWatchersAnswer, NOTHING,
                    leaf(P4, MONITORING_GAP, "mend the monitoring")));

    private static final Tree OURS = all("our side", APPLICATION, UPKEEP);

    private static final Tree PAGE_ALONE = ask(PAGE, Facts::page,
            branch("yes", yesNo("Is it a major outage?", found -> found.status().admitsMajorOutage(),
                    leaf(P1, KLAVIYO_OUTAGE, "enable fallback mode, monitor the status page, tell stakeholders"),
                    leaf(P2, KLAVIYO_DEGRADED, "monitor the status page, tell stakeholders"))));

    private static final Tree DEGRADED = all("",
            ask(PAGE, Facts::page, branch("yes", leaf(P2, KLAVIYO_DEGRADED, "partial issue: monitor the status page"))),
            yesNo("Is the API slow?", Facts::slow, leaf(P2, KLAVIYO_SLOW, "partial issue: retry with backoff"),
                    NOTHING));

    static final Tree ROOT = ask("Is Klaviyo API returning errors?", Facts::apiReturnsErrors,
            branch("yes", all("", yesNo("Can we reach anything?", Facts::somethingIsReached, WHAT_STATUS_CODE,
                    ONLY_HERE), OURS)),
            branch("no", all("", DEGRADED, OURS)),
            branch("not asked: no key", all("",
                    yesNo("Can we reach anything?", Facts::somethingIsReached, PAGE_ALONE, ONLY_HERE),
                    OURS, leaf(null, KEY_MISSING, "give a key to know more"))),
            branch("could not tell", all("", OURS, leaf(null, INDETERMINATE, "run again in a minute"))));

    /** Where a walk ended, and how it came there. */
    record End(Diagnosis diagnosis, Severity severity, List<Step> path) { }

    /**
     * A part of the tree: a question with a branch for each answer, several of which may hold at once; or, without
     * answers, questions that are all asked; or a leaf, whose words are its advice, and which without a diagnosis is
     * a remark.
     */
    record Tree(String words, Function<Findings, Set<String>> answers, Map<String, Tree> branches, Diagnosis leaf,
                Severity severity) {
        /** Every leaf that the findings lead to, in the order of the tree. */
        List<End> walk(Findings findings, List<Step> path) {
            List<End> ends = new ArrayList<>(leaf == null ? List.of() : List.of(new End(leaf, severity, path)));
            Set<String> holding = answers == null ? branches.keySet() : answers.apply(findings);
            branches.forEach((answer, branch) -> {
                if (holding.contains(answer)) {
                    List<Step> longer = new ArrayList<>(path);
                    longer.addAll(answers == null ? List.of() : List.of(new Step(words, answer)));
                    ends.addAll(branch.walk(findings, longer));
                }
            });
            return ends;
        }

        private boolean isLeaf() {
            return answers == null && branches.isEmpty() && !words.isEmpty();
        }
    }

    private static Tree yesNo(String question, Predicate<Findings> holds, Tree yes, Tree no) {
        return ask(question, found -> holds.test(found) ? "yes" : "no", branch("yes", yes), branch("no", no));
    }

    @SafeVarargs
    private static Tree ask(String question, Function<Findings, String> answer, Map.Entry<String, Tree>... branches) {
        return askAll(question, answer.andThen(Set::of), branches);
    }

    @SafeVarargs
    private static Tree askAll(String question, Function<Findings, Set<String>> answers,
            Map.Entry<String, Tree>... branches) {
        Map<String, Tree> ordered = new LinkedHashMap<>();
        List.of(branches).forEach(branch -> ordered.put(branch.getKey(), branch.getValue()));
        return new Tree(question, answers, ordered, null, null);
    }

    private static Map.Entry<String, Tree> branch(String answer, Tree tree) {
        return Map.entry(answer, tree);
    }

    private static Tree all(String name, Tree... trees) {
        Map<String, Tree> numbered = new LinkedHashMap<>();
        List.of(trees).forEach(tree -> numbered.put(name + numbered.size(), tree));
        return new Tree(name, null, numbered, null, null);
    }

    private static Tree leaf(Severity severity, Diagnosis diagnosis, String advice) {
        return new Tree(advice, null, Map.of(), diagnosis, severity);
    }

    /** The answers to the tree's questions. */
    static final class Facts {
        static final String CONSEQUENCE = "no, as Klaviyo fails it";

        private Facts() { }

        static String apiReturnsErrors(Findings found) {
            Set<Symptom> symptoms = found.symptoms().keySet();
            if (symptoms.isEmpty()) {
                return found.settings().key().isEmpty() ? "not asked: no key" : "could not tell";
            }
            return found.apiFails() ? "yes" : "no";
        }

        static Set<String> statusCodes(Findings found) {
            Set<String> answers = found.symptoms().keySet().stream().map(symptom -> symptom.words)
                    .collect(Collectors.toSet());
            if (shedsLoad(found)) {
                // What comes beside it is the same trouble; the 403 is what it is known by.
                answers.removeAll(Set.of("403", "5xx or no answer"));
                answers.add("403 that names no scope, on most endpoints or beside 5xx");
            }
            return answers;
        }

        /** Whether 403s that name no scope are Klaviyo's own trouble: on most endpoints, or beside 5xx. */
        static boolean shedsLoad(Findings found) {
            boolean unnamed = found.endpoints().stream().flatMap(probe -> probe.samples().stream())
                    .anyMatch(Symptom::namesNoScope);
            return unnamed && (found.symptoms().containsKey(Symptom.SERVER_ERROR)
                    || found.showing(Symptom.FORBIDDEN::equals).size() * 2 > found.endpoints().size());
        }

        static String keyKind(Findings found) {
            if (found.settings().key().map(Key::token).orElse(false)) {
                return "an OAuth token";
            } else if (!found.keyFaults().isEmpty()) {
                return "unfit to be sent";
            }
            return found.before().replacedAt().isPresent() ? "replaced since" : "fit, and refused";
        }

        /** Whether any server outside our own network answered, or at least let us connect. */
        static boolean somethingIsReached(Findings found) {
            NetworkPath path = found.network();
            if (path.proxyFails() && found.all().noneMatch(Http.Reply.class::isInstance)) {
                return false;
            }
            return path.connected() && path.proxy().isEmpty() || found.all().anyMatch(Facts::reached)
                    || pageIsSeen(found) || found.status().check().http() != null;
        }

        private static boolean reached(Answer answer) {
            return !(answer instanceof Fault fault) || !fault.kind().unreached() && fault.kind() != Http.Kind.TIMEOUT;
        }

        /** Whether what this machine sees is its own network's doing: what else it cannot reach says nothing. */
        private static boolean cutOff(Findings found) {
            return !somethingIsReached(found) || !found.symptoms().isEmpty() && !klaviyoAnswers(found);
        }

        static boolean klaviyoAnswers(Findings found) {
            return found.symptoms().keySet().stream().anyMatch(symptom -> !symptom.foreign());
        }

        static String page(Findings found) {
            String unseen = pageIsSeen(found) ? "no" : "not seen";
            return found.status().admitsTrouble() ? "yes" : unseen;
        }

        static boolean pageIsSeen(Findings found) {
            return found.status().source() != StatusPage.Source.NONE;
        }

        static boolean slow(Findings found) {
            return found.endpoints().stream().filter(Probe::slow).count() * 2 > found.endpoints().size();
        }

        static boolean nearlyAllFail(Findings found) {
            return failingShare(found) >= NEARLY_ALL;
        }

        /** The share of API requests that failed on Klaviyo's side, 0 to 1. */
        static double failingShare(Findings found) {
            return share(found, Symptom::failure) + (shedsLoad(found) ? share(found, Symptom.FORBIDDEN::equals) : 0);
        }

        /** The share of API requests with some symptoms, 0 to 1. */
        static double share(Findings found, Predicate<Symptom> some) {
            Map<Symptom, Integer> symptoms = found.symptoms();
            int all = symptoms.values().stream().mapToInt(Integer::intValue).sum();
            return all == 0 ? 0 : symptoms.entrySet().stream().filter(one -> some.test(one.getKey()))
                    .mapToInt(Map.Entry::getValue).sum() / (double) all;
        }

        /** One endpoint fails each time it is asked, and no other ever does. */
        static boolean oneEndpointFails(Findings found) {
            List<String> names = found.showing(Symptom::failure);
            return names.size() == 1 && found.answers().get(names.get(0)).stream().map(Symptom::of)
                    .allMatch(Symptom::failure);
        }

        /** Endpoints refused with 403, but for accounts and webhooks, which a key may do without. */
        static List<String> forbidden(Findings found) {
            return found.showing(Symptom.FORBIDDEN::equals).stream()
                    .filter(name -> !name.equals("accounts") && !name.equals("webhooks")).toList();
        }

        static boolean oneEndpointLacksTheRevision(Findings found) {
            return found.showing(Symptom.REVISION::equals).size() == 1 && !found.appSees("410");
        }

        // An application that Klaviyo refuses or fails is unwell because of it: no second cause, and no worse a
        // verdict.
        static String applicationHealth(Findings found) {
            String state = found.app().state();
            if (!state.equals("no") && !state.equals("degraded")) {
                return state;
            } else if (cutOff(found)) {
                return "not seen from here";
            }
            boolean refused = found.appStatuses().anyMatch(status -> status.matches("401|403|429|5\\d\\d|5xx"));
            boolean failing = klaviyoAnswers(found) && share(found, Symptom.NONE::equals) <= 0.5;
            boolean explained = refused || failing || found.status().admitsMajorOutage()
                    || state.equals("degraded") && share(found, Symptom::failure) > 0;
            return explained ? CONSEQUENCE : state;
        }

        static Set<String> applicationErrors(Findings found) {
            Set<String> answers = Stream.of("429", "400").filter(found::appSees).collect(Collectors.toSet());
            if (found.appSees("410")) {
                answers.add(onSomeCalls(found, "410") ? "410 on some calls only" : "410");
            }
            if (found.appSees("401")) {
                boolean refusedHere = found.symptoms().containsKey(Symptom.UNAUTHORIZED);
                answers.add(!refusedHere && onSomeCalls(found, "401") ? "401 on some calls only"
                        : "401, and " + keyHere(found));
            }
            // A 403 tells the application nothing about who sent it: where our probes are stopped or shed, so is it.
            if (found.appSees("403") && !found.symptoms().containsKey(Symptom.CDN_BLOCK) && !shedsLoad(found)) {
                answers.add("403");
            }
            if (found.log().loop().isPresent() && !found.appSees("429")) {
                answers.add("no 429 yet, and one caller runs away");
            }
            if (found.appStatuses().anyMatch(OurSide::otherRefusal)) {
                answers.add("other 4xx");
            }
            // Where the probes fail as well, the application's 5xx are no news; where nothing was reached, they are.
            boolean known = failingShare(found) > 0 && somethingIsReached(found) || found.status().admitsTrouble();
            if (found.appStatuses().anyMatch(OurSide::serverError) && !known) {
                answers.add("5xx");
            }
            return answers;
        }

        /** Whether a status is known from the application's log alone, where most calls do not get it. */
        static boolean onSomeCalls(Findings found, String status) {
            return found.log().byStatus().containsKey(status) && !found.errors().byStatus().containsKey(status)
                    && !found.log().nearlyAll(status);
        }

        private static String keyHere(Findings found) {
            if (found.symptoms().containsKey(Symptom.UNAUTHORIZED)) {
                return found.before().replacedAt().isPresent() ? "the key here was replaced"
                        : "the key is refused here too";
            }
            return found.keyIsAccepted() ? "the key is fine here" : "no key was judged here";
        }

        static String webhooks(Findings found) {
            String state = found.webhook().state();
            return state.startsWith("no:") && cutOff(found) ? "not seen from here" : state;
        }

        static String revision(Findings found) {
            String state = found.revision().state();
            return state.equals("no: retired") && found.keyIsAccepted() ? "no: retired, and still answered" : state;
        }

        static boolean allWatchersAnswer(Findings found) {
            return !found.errors().check().state().equals("unavailable")
                    && (pageIsSeen(found) || found.status().check().outcome() == Outcome.SKIPPED);
        }
    }

    /**
     * The whole tree as lines, with {@code >} before what a path walked. A part that hangs in two places is drawn once.
     */
    static List<String> draw(List<Step> path, boolean ascii) {
        Drawing drawing = new Drawing(new ArrayList<>(), Collections.newSetFromMap(new IdentityHashMap<>()));
        drawing.draw(ROOT, path, "", true);
        return drawing.lines.stream().map(line -> !ascii ? line : line.replace("├── ", "|-- ")
                .replace("└── ", "`-- ").replace("│   ", "|   ").replace("→ ", "-> ")).toList();
    }

    /** The lines so far, and which parts they show. */
    private record Drawing(List<String> lines, Set<Tree> drawn) {
        void draw(Tree tree, List<Step> path, String indent, boolean walked) {
            boolean again = !drawn.add(tree);
            if (tree.isLeaf()) {
                line(walked && path.isEmpty(), indent + leafWords(tree));
            } else if (again && !walked && tree.answers == null) {
                line(false, indent + "(" + tree.words + ", as above)");
            } else if (tree.answers == null) {
                tree.branches.values().forEach(each -> draw(each, path, indent, walked));
            } else {
                boolean asked = walked && !path.isEmpty() && path.get(0).question().equals(tree.words);
                line(asked, indent + tree.words);
                List<Map.Entry<String, Tree>> branches = tree.branches.entrySet().stream()
                        .filter(branch -> branch.getValue() != NOTHING).toList();
                branches.forEach(one -> branch(one, asked ? path : List.of(), indent, one == branches.get(
                        branches.size() - 1)));
            }
        }

        // An empty path is one that did not come here.
        private void branch(Map.Entry<String, Tree> branch, List<Step> path, String indent, boolean last) {
            boolean taken = !path.isEmpty() && path.get(0).answer().equals(branch.getKey());
            Tree tree = branch.getValue();
            String leaf = tree.isLeaf() ? " " + leafWords(tree) : "";
            line(taken, indent + (last ? "└── " : "├── ") + branch.getKey() + leaf);
            if (!tree.isLeaf()) {
                draw(tree, taken ? path.subList(1, path.size()) : path, indent + (last ? "    " : "│   "), taken);
            }
        }

        private void line(boolean walked, String text) {
            lines.add((walked ? "> " : "  ") + text);
        }

        private static String leafWords(Tree leaf) {
            return "→ " + (leaf.severity == null ? "" : leaf.severity + " ")
                    + (leaf.leaf == null ? "" : leaf.leaf.id() + ": ") + leaf.words;
        }
    }
}
