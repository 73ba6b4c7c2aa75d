package runbook;

import static runbook.Tree.all;
import static runbook.Tree.ask;
import static runbook.Tree.branch;
import static runbook.Tree.leaf;
import static runbook.Tree.yesNo;

import java.util.List;

/**
 * The runbook's decision tree, whole, and what it leaves out: our own network, a silent outage, a CDN block, a retired
 * revision, a stale key in the application, certificates, gaps in monitoring. {@link Facts} answers its questions.
 */
final class DecisionTree {
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
}
