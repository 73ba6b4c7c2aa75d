package runbook.bundle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.security.cert.CertificateEncodingException;
import java.security.cert.X509Certificate;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import runbook.Http.Answer;
import runbook.Http.Fault;
import runbook.Http.Reply;
import runbook.Klaviyo.Endpoint;
import runbook.Text.Json;
import runbook.Cli.Launcher;
import runbook.Settings;
import runbook.Checks;
import runbook.ApiChecks.EndpointProbe;
import runbook.Checks.Findings;
import runbook.Verdict;

/** Klaviyo as a triage finds it now: the verdict, every answer's headers, every error's body, the way to the API. */
final class Vendor implements Collector {
    // Sessions of the CDN's: of no use to anybody else, and alive.
    private static final Set<String> LEFT_OUT = Set.of("set-cookie", "cookie");

    private final Settings settings;
    private final Launcher launcher;
    private volatile Verdict verdict;

    Vendor(Settings settings, Launcher launcher) {
        this.settings = settings;
        this.launcher = launcher;
    }

    /** What triage said; null when it did not come to it. */
    Verdict verdict() {
        return verdict;
    }

    @Override
    public String name() {
        return "klaviyo/triage";
    }

    @Override
    public List<Planned> plan() {
        return List.of(new Planned(
                "a triage run against " + settings.target().api() + " and "
                        + settings.target().status(),
                50_000));
    }

    @Override
    public void collect(Sink sink) throws IOException {
        Findings findings = Checks.run(settings);
        verdict = Verdict.of(findings);
        long millis = findings.checks().stream().mapToLong(check -> check.millis()).max().orElse(0);
        sink.json("triage.json", verdict.json(launcher, null), millis);
        sink.json("network.json", network(findings), findings.network().check().millis());
        Map<String, List<Answer>> answers = new TreeMap<>();
        if (findings.auth().answer() != null) {
            answers.put(Endpoint.ACCOUNTS.name(), List.of(findings.auth().answer()));
        }
        for (EndpointProbe probe : findings.endpoints()) {
            answers.put(probe.endpoint().name(), probe.samples());
        }
        sink.json("answers.json", headers(answers), millis);
        if (findings.auth().answer() instanceof Reply reply && reply.status() == 200) {
            sink.json("account.json", reply.json(), reply.millis());
        }
        bodies(answers, sink);
        if (settings.key().isEmpty()) {
            sink.remark(
                    "no private key given: the API was not asked (KLAVIYO_PRIVATE_KEY, --key-file or --key-command)");
        }
    }

    private static JsonNode headers(Map<String, List<Answer>> answers) {
        ObjectNode all = Json.object();
        answers.forEach((name, samples) -> {
            ArrayNode list = all.putArray(name);
            for (Answer answer : samples) {
                ObjectNode entry = list.addObject().put("millis", answer.millis());
                if (answer instanceof Reply reply) {
                    ObjectNode headers = entry.put("status", reply.status()).putObject("headers");
                    reply.headers()
                            .forEach((header, values) -> headers.put(
                                    header, LEFT_OUT.contains(header) ? "(left out)" : String.join(", ", values)));
                } else {
                    entry.put("fault", ((Fault) answer).words());
                }
            }
        });
        return all;
    }

    // The same error from three samples is one error.
    private static void bodies(Map<String, List<Answer>> answers, Sink sink) throws IOException {
        for (Map.Entry<String, List<Answer>> entry : answers.entrySet()) {
            Set<String> seen = new java.util.HashSet<>();
            for (Answer answer : entry.getValue()) {
                if (answer instanceof Reply reply
                        && reply.status() >= 400
                        && seen.add(reply.status() + " " + reply.body().length)) {
                    String kind = reply.html() ? ".html.txt" : reply.json().isMissingNode() ? ".txt" : ".json";
                    sink.text("errors/" + entry.getKey() + "-" + reply.status() + kind, reply.text(), reply.millis());
                }
            }
        }
    }

    private static JsonNode network(Findings findings) {
        ObjectNode network = Json.object().put("summary", findings.network().check().summary());
        network.setAll((ObjectNode) findings.network().check().detail());
        ArrayNode chain = network.putArray("chain");
        for (X509Certificate certificate : findings.network().path().chain()) {
            try {
                chain.addObject()
                        .put("serial", certificate.getSerialNumber().toString(16))
                        .put("from", certificate.getNotBefore().toInstant().toString())
                        .put("until", certificate.getNotAfter().toInstant().toString())
                        .put("signature algorithm", certificate.getSigAlgName())
                        .put(
                                "pem",
                                "-----BEGIN CERTIFICATE-----\n"
                                        + Base64.getMimeEncoder().encodeToString(certificate.getEncoded())
                                        + "\n-----END CERTIFICATE-----");
            } catch (CertificateEncodingException e) {
                chain.addObject().put("unreadable", e.getMessage());
            }
        }
        return network;
    }
}
