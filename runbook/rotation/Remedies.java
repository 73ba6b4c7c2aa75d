package runbook.rotation;

import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import runbook.Text;
import runbook.rotation.Trouble.Kind;

/** What the tools' complaints mean, and the command that mends each. The first row that fits is taken. */
final class Remedies {
    private record Remedy(String tool, Kind kind, Pattern sign, String says, String mend) { }

    private static Remedy row(String tool, Kind kind, String sign, String says, String mend) {
        return new Remedy(tool, kind, Pattern.compile(sign, Pattern.CASE_INSENSITIVE), says, mend);
    }

    private static final List<Remedy> TABLE = List.of(
            row("aws", Kind.NOT_LOGGED_IN,
                    "locate credentials|ExpiredToken|token has expired|InvalidClientTokenId|UnrecognizedClient|"
                            + "InvalidSignature|security token included|SSO (session|token)",
                    "AWS does not know you",
                    "aws sso login   # or: aws configure"),
            row("aws", Kind.NOT_FOUND, "specify a region|Could not connect to the endpoint",
                    "no AWS region, or a wrong one",
                    "aws configure set region REGION   # or write @REGION after the name"),
            row("aws", Kind.NOT_FOUND, "(marked|scheduled) for deletion",
                    "{name} is marked for deletion",
                    "aws secretsmanager restore-secret --secret-id {name}{place}"),
            row("aws", Kind.DENIED, "AccessDenied|not authorized",
                    "no permission on {name}",
                    "aws sts get-caller-identity   # this identity needs secretsmanager:GetSecretValue and PutSecretValue "
                            + "(ecs:UpdateService, DescribeServices) on {name}"),
            row("aws", Kind.NOT_FOUND, "ClusterNotFound|ServiceNotFound",
                    "no {name} here: another account or region?",
                    "aws ecs list-clusters{place}"),
            row("aws", Kind.NOT_FOUND, "ResourceNotFound|NotFoundException",
                    "no {name} here: another account or region?",
                    "aws secretsmanager list-secrets{place}"),
            row("gcloud", Kind.NOT_LOGGED_IN,
                    "active account|reauthenticat|UNAUTHENTICATED|auth login|authentication credential|refreshing (your|"
                            + "the)",
                    "Google Cloud does not know you",
                    "gcloud auth login"),
            row("gcloud", Kind.NOT_FOUND, "SERVICE_DISABLED|has not been used in project",
                    "the service is not enabled in this project",
                    "gcloud services enable secretmanager.googleapis.com{place}"),
            row("gcloud", Kind.NOT_FOUND,
                    "property \\[project\\]|CONSUMER_INVALID|project \\S* ?(was not found|not found|does not exist)",
                    "no Google Cloud project, or a wrong one",
                    "gcloud projects list   # then: gcloud config set project PROJECT, or write @PROJECT after the name"),
            row("gcloud", Kind.DENIED, "PERMISSION_DENIED|permission .*denied|does not have permission|IAM_PERMISSION",
                    "no permission on {name}",
                    "gcloud secrets add-iam-policy-binding {name}{place} --member=user:YOU "
                            + "--role=roles/secretmanager.secretVersionManager   # and roles/secretmanager.secretAccessor"),
            row("gcloud", Kind.NOT_FOUND, "FAILED_PRECONDITION|is in (DISABLED|DESTROYED) state",
                    "the newest version of {name} is disabled or destroyed",
                    "gcloud secrets versions list {name}{place}"),
            row("gcloud", Kind.NOT_FOUND, "NOT_FOUND|not found|cannot find",
                    "no {name} in this project",
                    "gcloud secrets list{place}   # or: gcloud secrets create {name}{place} --replication-policy=automatic"),
            row("az", Kind.NOT_LOGGED_IN, "az login|AADSTS|token .*expired",
                    "Azure does not know you",
                    "az login"),
            row("az", Kind.DENIED, "Forbidden|does not have secrets|not authorized",
                    "no permission on {name}",
                    "az role assignment create --role 'Key Vault Secrets Officer' --assignee YOU --scope VAULT-ID"),
            row("az", Kind.NOT_FOUND, "SecretNotFound|was not found in this key vault",
                    "no {name} in this vault",
                    "az keyvault secret list{place}"),
            row("az", Kind.NOT_FOUND, "VaultNotFound|resolve|Name or service not known|getaddrinfo",
                    "no such vault, or another subscription",
                    "az keyvault list   # then: az account set --subscription NAME"),
            row("kubectl", Kind.DENIED, "Forbidden|cannot (get|patch|list)",
                    "no permission on {name}",
                    "kubectl auth can-i --list{place}"),
            row("kubectl", Kind.NOT_LOGGED_IN, "Unauthorized|logged in|getting credentials|ExecCredential",
                    "the cluster does not know you",
                    "kubectl config view --minify   # log in to that cluster's provider again"),
            row("kubectl", Kind.NOT_FOUND,
                    "refused|no such host|i/o timeout|no configuration|context .*(does not|not) exist|Unable to connect",
                    "no cluster answers: a wrong context?",
                    "kubectl config get-contexts   # then: kubectl config use-context NAME"),
            row("kubectl", Kind.NOT_FOUND, "not ?found",
                    "no {name} here: another context or namespace?",
                    "kubectl get secrets,deployments{place}   # context: kubectl config current-context"),
            row("vault", Kind.NOT_LOGGED_IN, "missing client token|invalid token|token .*expired",
                    "Vault does not know you",
                    "vault login"),
            row("vault", Kind.DENIED, "permission denied|Code: 403",
                    "no permission on {name}",
                    "vault token lookup   # its policies need read and patch on {name}"),
            row("vault", Kind.NOT_FOUND, "No value found|Code: 404|no secret exists",
                    "no {name} in Vault",
                    "vault kv list $(dirname {name})"),
            row("vault", Kind.NOT_FOUND, "refused|VAULT_ADDR|no such host|server gave HTTP",
                    "no Vault answers",
                    "export VAULT_ADDR=https://VAULT:8200"),
            row("gh", Kind.NOT_LOGGED_IN, "gh auth login|HTTP 401|Bad credentials",
                    "GitHub does not know you",
                    "gh auth login"),
            row("gh", Kind.DENIED, "HTTP 403|must have admin",
                    "no permission on {name}",
                    "gh auth refresh --scopes repo"),
            row("gh", Kind.NOT_FOUND, "HTTP 404|resolve to a Repository|not found",
                    "no such repository, or not for you",
                    "gh auth status   # then: gh repo view REPOSITORY"),
            row("heroku", Kind.NOT_FOUND, "api is not a heroku command",
                    "this Heroku CLI has no api command",
                    "heroku plugins:install @heroku-cli/plugin-api"),
            row("heroku", Kind.NOT_LOGGED_IN, "not logged in|Invalid credentials|Unauthorized|unauthenticated",
                    "Heroku does not know you",
                    "heroku login"),
            row("heroku", Kind.DENIED, "forbidden|do not have access",
                    "no permission on {name}",
                    "heroku access{place}"),
            row("heroku", Kind.NOT_FOUND, "find that app|not_found",
                    "no such app",
                    "heroku apps"),
            row("systemctl", Kind.DENIED, "Access denied|authentication (is )?required|permission denied|not permitted",
                    "only root may do that",
                    "sudo -v   # and give --restart 'exec:sudo systemctl restart {name}'"),
            row("systemctl", Kind.NOT_FOUND, "not found|could not be found|not loaded|not been booted",
                    "no unit {name} here",
                    "systemctl list-units --type=service"));

    private static final Map<String, String> INSTALL = Map.of(
            "aws", "brew install awscli   # or: apt-get install awscli",
            "gcloud", "brew install --cask google-cloud-sdk   # or: https://cloud.google.com/sdk/docs/install",
            "az", "brew install azure-cli   # or: apt-get install azure-cli",
            "kubectl", "brew install kubectl   # or: apt-get install kubernetes-client",
            "vault", "brew install hashicorp/tap/vault   # or: https://developer.hashicorp.com/vault/install",
            "gh", "brew install gh   # or: apt-get install gh",
            "heroku", "brew install heroku/brew/heroku   # or: npm install -g heroku",
            "systemctl", "run this on the host that systemd runs the unit on");

    private Remedies() { }

    /** The trouble behind a failed run; {@code said} is what the tool said, without keys. */
    static Trouble explain(String tool, Output output, String said, Subject subject) {
        String quoted = Text.safe(said, 200);
        return TABLE.stream().filter(row -> row.tool.equals(tool) && row.sign.matcher(said).find()).findFirst()
                .map(row -> new Trouble(row.kind, subject.into(row.says) + " (" + tool + ": " + quoted + ")",
                        subject.into(row.mend)))
                .orElseGet(() -> new Trouble(Kind.FAILED, tool + " ended with exit code " + output.exit()
                        + (quoted.isEmpty() ? " and said nothing" : ": " + quoted), ""));
    }

    /** How to get a tool that is missing. */
    static String install(String tool) {
        return INSTALL.getOrDefault(tool, "install " + tool + ", or put it on the PATH");
    }
}
