package runbook;

import static runbook.DecisionTree.Tree.all;
import static runbook.DecisionTree.Tree.ask;
import static runbook.DecisionTree.Tree.branch;
import static runbook.DecisionTree.Tree.leaf;
import static runbook.DecisionTree.Tree.yesNo;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Stream;
import runbook.Http.Fault;
import runbook.ApiChecks.EndpointProbe;
import runbook.ApiChecks.Symptom;
import runbook.Checks.Check;
import runbook.Checks.Findings;
import runbook.OurSide.AppErrors;
import runbook.OurSide.AppHealth;
import runbook.OurSide.Webhook;
import runbook.Http.Answer;
import runbook.Klaviyo.Revision;

/**
 * The runbook's decision tree, whole, and what it leaves out: our own network, a silent outage, a CDN block, a retired
 * revision, a stale key in the application, certificates, gaps in monitoring. {@link Facts} answers its questions.
 */
public final class DecisionTree {
    private DecisionTree() { }

    private static final Tree NOTHING_ELSE = leaf(Diagnosis.HEALTHY, "resolved or intermittent: monitor");

    // 401 → key revoked or rotated → verify and rotate
    private static final Tree KEY = yesNo("Is the key fit to be sent?", Facts::keyIsFit,
            leaf(Diagnosis.KEY_INVALID, "key revoked or rotated: verify and rotate"),
            leaf(Diagnosis.KEY_MALFORMED, "mend how it is stored"));

    private static final Tree FAILING_WITH_INCIDENT = yesNo("Do nearly all requests fail?", Facts::nearlyAllFail,
            leaf(Diagnosis.KLAVIYO_OUTAGE, "enable fallback mode, monitor the status page, tell stakeholders"),
            leaf(Diagnosis.KLAVIYO_DEGRADED, "retry with backoff, monitor the status page, tell stakeholders"));

    private static final Tree FAILING_WITH_GREEN_PAGE = yesNo("Do nearly all requests fail?", Facts::nearlyAllFail,
            leaf(Diagnosis.SILENT_OUTAGE, "treat as an outage, open a ticket at Klaviyo"),
            yesNo("Is it one endpoint only?", Facts::oneEndpointFails,
                    leaf(Diagnosis.PARTIAL, "check that endpoint"),
                    leaf(Diagnosis.SERVER_ERROR, "likely intermittent: retry with backoff")));

    private static final Tree WHAT_STATUS_CODE = ask("What status code?", Facts::statusCodes,
            branch("401", KEY),
            branch("403", leaf(Diagnosis.SCOPE_MISSING, "missing scope: check the key's scopes")),
            branch("403 from the CDN", leaf(Diagnosis.CDN_BLOCKED, "not a scope: our address or client is blocked")),
            branch("429", leaf(Diagnosis.RATE_LIMITED, "rate limit hit: reduce concurrency")),
            branch("400", leaf(Diagnosis.PAYLOAD_INVALID, "payload validation error")),
            branch("revision refused", leaf(Diagnosis.REVISION_RETIRED, "move to a supported revision")),
            branch("other 4xx", leaf(Diagnosis.PARTIAL, "check that endpoint")),
            branch("5xx or no answer", yesNo("Does status.klaviyo.com show an incident?", Facts::pageAdmitsTrouble,
                    FAILING_WITH_INCIDENT, FAILING_WITH_GREEN_PAGE)),
            branch("not Klaviyo's answer", leaf(Diagnosis.NETWORK, "something between us and Klaviyo answers in its place")));

    private static final Tree APPLICATION = all("our application",
            ask("Is our app healthy?", Facts::applicationHealth,
                    branch("yes", NOTHING_ELSE),
                    branch("no", leaf(Diagnosis.APP_UNHEALTHY, "our infrastructure: check pods, memory, network")),
                    branch("not asked", NOTHING_ELSE)),
            ask("Which errors does our app get from Klaviyo?", Facts::applicationErrors,
                    branch("401, and the key is refused here too", KEY),
                    branch("401, and the key is fine here",
                            leaf(Diagnosis.STALE_APP_KEY, "the app holds an old key: update its secret, restart it")),
                    branch("401, and there is no key here",
                            leaf(Diagnosis.KEY_INVALID, "key revoked or rotated: verify and rotate")),
                    branch("403", leaf(Diagnosis.SCOPE_MISSING, "missing scope: check the key's scopes")),
                    branch("429", leaf(Diagnosis.RATE_LIMITED, "rate limit hit: reduce concurrency")),
                    branch("400", leaf(Diagnosis.PAYLOAD_INVALID, "payload validation error")),
                    branch("410", leaf(Diagnosis.REVISION_RETIRED, "the app pins a retired revision")),
                    branch("other 4xx", leaf(Diagnosis.PAYLOAD_INVALID, "what the app sends or asks for is refused")),
                    branch("5xx", leaf(Diagnosis.SERVER_ERROR, "likely intermittent: retry with backoff"))),
            ask("Are webhooks arriving?", Facts::webhooks,
                    branch("no: certificate", leaf(Diagnosis.WEBHOOK_CERTIFICATE, "renew the certificate")),
                    branch("no: route", leaf(Diagnosis.WEBHOOK_DOWN, "webhook endpoint down: check the route")),
                    branch("yes, but the certificate ends soon", leaf(Diagnosis.WEBHOOK_CERTIFICATE, "renew the certificate"))));

    private static final Tree UPKEEP = all("upkeep",
            yesNo("Is the key fit to be sent?", Facts::keyIsFit, all(""), leaf(Diagnosis.KEY_MALFORMED, "mend how it is stored")),
            ask("Is the API revision supported?", Facts::revision,
                    branch("no: retired, though still answered",
                            leaf(Diagnosis.REVISION_RETIRED, "move to a supported revision")),
                    branch("no: deprecated", leaf(Diagnosis.REVISION_DEPRECATED, "plan the move"))),
            yesNo("Does all that we watch with answer?", Facts::allWatchersAnswer, all(""),
                    leaf(Diagnosis.MONITORING_GAP, "mend the monitoring")));

    private static final Tree OURS = all("our side", APPLICATION, UPKEEP);

    private static final Tree PAGE_ALONE = yesNo("Does status.klaviyo.com show an incident?", Facts::pageAdmitsTrouble,
            yesNo("Is it a major outage?", Facts::pageAdmitsMajorOutage,
                    leaf(Diagnosis.KLAVIYO_OUTAGE, "enable fallback mode, monitor the status page, tell stakeholders"),
                    leaf(Diagnosis.KLAVIYO_DEGRADED, "monitor the status page, tell stakeholders")),
            all(""));

    private static final Tree DEGRADED = yesNo("Does status.klaviyo.com show an incident, or is the API slow?", Facts::degraded,
            leaf(Diagnosis.KLAVIYO_DEGRADED, "partial issue: monitor the status page"), all(""));

    private static final Tree REACHABLE = yesNo("Can we reach anything?", Facts::somethingIsReached,
            WHAT_STATUS_CODE, leaf(Diagnosis.NETWORK, "our own network: try another one"));

    static final Tree ROOT = ask("Is Klaviyo API returning errors?", Facts::apiReturnsErrors,
            branch("yes", all("", REACHABLE, OURS)),
            branch("no", all("", DEGRADED, OURS)),
            branch("not asked: no key", all("",
                    yesNo("Can we reach anything?", Facts::somethingIsReached, PAGE_ALONE,
                            leaf(Diagnosis.NETWORK, "our own network: try another one")),
                    OURS, leaf(Diagnosis.KEY_MISSING, "give a key to know more"))),
            branch("could not tell", all("", OURS, leaf(Diagnosis.INDETERMINATE, "run again in a minute"))));

    /** The whole tree as lines, with {@code mark} before what a path walked. */
    static List<String> draw(List<Step> path, boolean ascii) {
        return new Drawing(path, ascii).lines();
    }

    /** A decision tree: questions answered from the findings, with diagnoses for leaves. More than one leaf may hold. */
    sealed interface Tree {
        /** Where a walk ended, and how it came there. */
        record End(Diagnosis diagnosis, List<Step> path) { }

        /** Every leaf that the findings lead to, in the order of the tree. */
        default List<End> walk(Findings findings) {
            List<End> ends = new ArrayList<>();
            walk(findings, List.of(), ends);
            return ends;
        }

        void walk(Findings findings, List<Step> path, List<End> ends);

        /** The end of a branch. */
        record Leaf(Diagnosis diagnosis, String advice) implements Tree {
            @Override
            public void walk(Findings findings, List<Step> path, List<End> ends) {
                ends.add(new End(diagnosis, path));
            }
        }

        /** A question, and a branch for each answer; several answers may hold at once. */
        record Ask(String question, Function<Findings, Set<String>> answers, Map<String, Tree> branches) implements Tree {
            @Override
            public void walk(Findings findings, List<Step> path, List<End> ends) {
                Set<String> holding = answers.apply(findings);
                branches.forEach((answer, branch) -> {
                    if (holding.contains(answer)) {
                        List<Step> longer = new ArrayList<>(path);
                        longer.add(new Step(question, answer));
                        branch.walk(findings, List.copyOf(longer), ends);
                    }
                });
            }
        }

        /** Questions that are all asked. */
        record All(String name, List<Tree> trees) implements Tree {
            @Override
            public void walk(Findings findings, List<Step> path, List<End> ends) {
                trees.forEach(tree -> tree.walk(findings, path, ends));
            }
        }

        static Tree yesNo(String question, Predicate<Findings> holds, Tree yes, Tree no) {
            return ask(question, findings -> Set.of(holds.test(findings) ? "yes" : "no"), branch("yes", yes), branch("no", no));
        }

        @SafeVarargs
        static Tree ask(String question, Function<Findings, Set<String>> answers, Map.Entry<String, Tree>... branches) {
            Map<String, Tree> ordered = new LinkedHashMap<>();
            for (Map.Entry<String, Tree> branch : branches) {
                ordered.put(branch.getKey(), branch.getValue());
            }
            return new Ask(question, answers, ordered);
        }

        static Map.Entry<String, Tree> branch(String answer, Tree tree) {
            return Map.entry(answer, tree);
        }

        static Tree all(String name, Tree... trees) {
            return new All(name, List.of(trees));
        }

        static Tree leaf(Diagnosis diagnosis, String advice) {
            return new Leaf(diagnosis, advice);
        }
    }

    /** The answers to the decision tree's questions. */
    static final class Facts {
        /** From this share of failing requests on, it is an outage and not a degradation. */
        private static final double NEARLY_ALL = 0.8;

        private record Code(String answer, Set<Symptom> symptoms) { }

        private static final List<Code> CODES = List.of(
                new Code("401", Set.of(Symptom.UNAUTHORIZED)),
                new Code("403", Set.of(Symptom.FORBIDDEN)),
                new Code("403 from the CDN", Set.of(Symptom.CDN_BLOCK)),
                new Code("429", Set.of(Symptom.THROTTLED)),
                new Code("400", Set.of(Symptom.INVALID)),
                new Code("revision refused", Set.of(Symptom.REVISION)),
                new Code("other 4xx", Set.of(Symptom.OTHER_CLIENT_ERROR)),
                new Code("5xx or no answer", Set.of(Symptom.SERVER_ERROR, Symptom.NO_ANSWER, Symptom.UNREACHED)),
                new Code("not Klaviyo's answer", Set.of(Symptom.TLS, Symptom.GARBLED, Symptom.NO_ROUTE)));

        private Facts() { }

        static Set<String> apiReturnsErrors(Findings findings) {
            Map<Symptom, Integer> symptoms = findings.symptoms();
            if (symptoms.isEmpty()) {
                return Set.of(findings.settings().key().isEmpty() ? "not asked: no key" : "could not tell");
            }
            return Set.of(symptoms.keySet().equals(Set.of(Symptom.NONE)) ? "no" : "yes");
        }

        static Set<String> statusCodes(Findings findings) {
            Set<String> answers = new LinkedHashSet<>();
            CODES.stream()
                    .filter(code -> code.symptoms.stream().anyMatch(findings.symptoms()::containsKey))
                    .forEach(code -> answers.add(code.answer));
            return answers;
        }

        static boolean keyIsFit(Findings findings) {
            return findings.auth().faults().isEmpty();
        }

        /** Whether any server outside our own network answered, or at least let us connect. */
        static boolean somethingIsReached(Findings findings) {
            boolean api = Stream.concat(
                            Stream.ofNullable(findings.auth().answer()),
                            findings.endpoints().stream().flatMap(probe -> probe.samples().stream()))
                    .anyMatch(Facts::reached);
            boolean connected = findings.network().path().connectMillis() >= 0 && findings.network().path().proxy().isEmpty();
            return api
                    || connected
                    || findings.status().source() != StatusPage.Source.NONE
                    || findings.status().check().http() != null;
        }

        private static boolean reached(Answer answer) {
            return !(answer instanceof Fault fault) || !fault.kind().unreached() && fault.kind() != Http.Kind.TIMEOUT;
        }

        static boolean pageAdmitsTrouble(Findings findings) {
            return findings.status().admitsTrouble();
        }

        static boolean pageAdmitsMajorOutage(Findings findings) {
            return findings.status().admitsMajorOutage();
        }

        static boolean degraded(Findings findings) {
            return findings.status().admitsTrouble()
                    || findings.endpoints().stream().filter(EndpointProbe::slow).count() * 2
                            > findings.endpoints().size();
        }

        /** The share of API requests that failed on Klaviyo's side, 0 to 1. */
        static double failingShare(Findings findings) {
            Map<Symptom, Integer> symptoms = findings.symptoms();
            int all = symptoms.values().stream().mapToInt(Integer::intValue).sum();
            return all == 0 ? 0 : (double) failures(symptoms) / all;
        }

        private static int failures(Map<Symptom, Integer> symptoms) {
            return Stream.of(Symptom.SERVER_ERROR, Symptom.NO_ANSWER, Symptom.UNREACHED)
                    .mapToInt(symptom -> symptoms.getOrDefault(symptom, 0))
                    .sum();
        }

        static boolean nearlyAllFail(Findings findings) {
            return failingShare(findings) >= NEARLY_ALL;
        }

        /** One endpoint fails each time it is asked, and no other ever does. */
        static boolean oneEndpointFails(Findings findings) {
            List<Symptom> failures = List.of(Symptom.SERVER_ERROR, Symptom.NO_ANSWER, Symptom.UNREACHED);
            List<String> names = failures.stream().flatMap(symptom -> findings.showing(symptom).stream()).distinct().toList();
            return names.size() == 1 && findings.endpoints().stream().filter(probe -> names.contains(probe.endpoint().name()))
                    .allMatch(probe -> failures.containsAll(probe.symptoms()));
        }

        static Set<String> applicationHealth(Findings findings) {
            AppHealth.State state = findings.app().state();
            return Set.of(
                    state == AppHealth.State.NOT_ASKED ? "not asked" : state == AppHealth.State.HEALTHY ? "yes" : "no");
        }

        static Set<String> applicationErrors(Findings findings) {
            Set<String> answers = new LinkedHashSet<>();
            AppErrors errors = findings.errors();
            if (errors.sees("401")) {
                answers.add(
                        findings.auth().answer() == null
                                ? "401, and there is no key here"
                                : findings.symptoms().containsKey(Symptom.UNAUTHORIZED)
                                        ? "401, and the key is refused here too"
                                        : "401, and the key is fine here");
            }
            Stream.of("429", "400", "410").filter(errors::sees).forEach(answers::add);
            // A 403 tells the application nothing about who sent it: where the CDN stops our probes, it stops the application.
            if (errors.sees("403") && !findings.symptoms().containsKey(Symptom.CDN_BLOCK)) {
                answers.add("403");
            }
            if (errors.seesOtherRefusals()) {
                answers.add("other 4xx");
            }
            // Where the probes fail as well, the application's 5xx are no news.
            if (errors.seesServerErrors() && failures(findings.symptoms()) == 0 && !findings.status().admitsTrouble()) {
                answers.add("5xx");
            }
            return answers;
        }

        static Set<String> webhooks(Findings findings) {
            Webhook.State state = findings.webhook().state();
            return Set.of(switch (state) {
                case NOT_ASKED -> "not asked";
                case LIVE -> "yes";
                case CERTIFICATE_EXPIRES_SOON -> "yes, but the certificate ends soon";
                case CERTIFICATE -> "no: certificate";
                case DOWN, DISABLED -> "no: route";
            });
        }

        static Set<String> revision(Findings findings) {
            return findings.revision().phase().map(phase -> switch (phase) {
                case RETIRED -> "no: retired, though still answered";
                case DEPRECATED -> "no: deprecated";
                case FUTURE, STABLE -> "yes";
            }).map(Set::of).orElse(Set.of());
        }

        static boolean allWatchersAnswer(Findings findings) {
            return findings.errors().state() != AppErrors.State.UNAVAILABLE && pageAnswers(findings);
        }

        static boolean pageAnswers(Findings findings) {
            return findings.status().source() != StatusPage.Source.NONE
                    || findings.status().check().outcome() == Check.Outcome.SKIPPED;
        }

        /** Whether the revision is the reason why requests fail, and not only past its date. */
        static boolean revisionRefused(Findings findings) {
            return findings.symptoms().containsKey(Symptom.REVISION)
                    || findings.revision().phase().filter(phase -> phase == Revision.Phase.FUTURE).isPresent();
        }
    }

    /** The tree as text, the walked path marked. A part that hangs in two places is drawn once. */
    static final class Drawing {
        private final List<Step> path;
        private final boolean ascii;
        private final List<String> lines = new ArrayList<>();
        private final Set<Tree> drawn = new HashSet<>();

        Drawing(List<Step> path, boolean ascii) {
            this.path = path;
            this.ascii = ascii;
            draw(DecisionTree.ROOT, "", 0, true);
        }

        List<String> lines() {
            return lines;
        }

        private void draw(Tree tree, String indent, int depth, boolean walked) {
            if (tree instanceof Tree.Leaf leaf) {
                lines.add(mark(walked && depth == path.size()) + indent + words(leaf));
            } else if (tree instanceof Tree.All all) {
                if (!all.name().isEmpty() && !drawn.add(tree)) {
                    lines.add(mark(false) + indent + "(" + all.name() + ", as above)");
                    return;
                }
                all.trees().forEach(each -> draw(each, indent, depth, walked));
            } else if (tree instanceof Tree.Ask ask) {
                boolean asked = walked && depth < path.size() && path.get(depth).question().equals(ask.question());
                lines.add(mark(asked) + indent + ask.question());
                List<Map.Entry<String, Tree>> branches = ask.branches().entrySet().stream()
                        .filter(branch -> !empty(branch.getValue()))
                        .toList();
                for (int i = 0; i < branches.size(); i++) {
                    boolean last = i == branches.size() - 1;
                    boolean taken = asked && path.get(depth).answer().equals(branches.get(i).getKey());
                    Tree branch = branches.get(i).getValue();
                    String line = mark(taken) + indent + (last ? corner() : fork()) + branches.get(i).getKey();
                    if (branch instanceof Tree.Leaf leaf) {
                        lines.add(line + " " + words(leaf));
                    } else {
                        lines.add(line);
                        draw(branch, indent + (last ? "    " : bar()), depth + 1, taken);
                    }
                }
            }
        }

        private static boolean empty(Tree tree) {
            return tree instanceof Tree.All all && all.trees().isEmpty();
        }

        private String mark(boolean walked) {
            return walked ? "> " : "  ";
        }

        private String words(Tree.Leaf leaf) {
            return (ascii ? "-> " : "→ ") + leaf.diagnosis().id() + ": " + leaf.advice();
        }

        private String corner() {
            return ascii ? "`-- " : "└── ";
        }

        private String fork() {
            return ascii ? "|-- " : "├── ";
        }

        private String bar() {
            return ascii ? "|   " : "│   ";
        }
    }

    /** One question on the way through the decision tree, and its answer. */
    public record Step(String question, String answer) { }

    /** What can be wrong, in the order in which the worse leads where two have the same severity. */
    public enum Diagnosis {
        KLAVIYO_OUTAGE("Klaviyo is down, and its status page says so"),
        SILENT_OUTAGE("Klaviyo's API fails while its status page is green"),
        NETWORK("We cannot reach anything: our network, not Klaviyo"),
        KEY_MALFORMED("The private key is not one that can be sent"),
        KEY_INVALID("Klaviyo refuses the private key: revoked, disabled or wrong"),
        STALE_APP_KEY("The key is fine here, but the application is refused: it runs with an old one"),
        REVISION_RETIRED("The API revision is retired"),
        CDN_BLOCKED("The CDN in front of Klaviyo blocks us"),
        RATE_LIMITED("Klaviyo throttles us"),
        SERVER_ERROR("Klaviyo answers some requests with 5xx"),
        KLAVIYO_DEGRADED("Klaviyo is degraded"),
        SCOPE_MISSING("The private key lacks a scope"),
        PAYLOAD_INVALID("Klaviyo refuses what the application sends"),
        PARTIAL("One endpoint fails, the others work"),
        APP_UNHEALTHY("Our application is unhealthy: our infrastructure"),
        WEBHOOK_DOWN("Klaviyo's webhooks cannot reach us"),
        WEBHOOK_CERTIFICATE("The certificate of our webhook route"),
        REVISION_DEPRECATED("The API revision is deprecated"),
        MONITORING_GAP("Something we watch with does not answer"),
        KEY_MISSING("No private key here, so Klaviyo was not asked"),
        INDETERMINATE("Could not tell"),
        HEALTHY("Healthy");

        private final String title;

        Diagnosis(String title) {
            this.title = title;
        }

        /** The name that JSON, journal and templates use: {@code klaviyo-outage}. */
        public String id() {
            return name().toLowerCase(Locale.ROOT).replace('_', '-');
        }

        /** One line for people. */
        public String title() {
            return title;
        }
    }
}
