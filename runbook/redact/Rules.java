package runbook.redact;

import static runbook.redact.Shapes.address;
import static runbook.redact.Shapes.field;
import static runbook.redact.Shapes.name;
import static runbook.redact.Shapes.phone;
import static runbook.redact.Shapes.rest;
import static runbook.redact.Shapes.secret;
import static runbook.redact.Shapes.shown;
import static runbook.redact.Shapes.token;

import java.util.List;
import java.util.Optional;
import runbook.redact.Rule.Lead;
import runbook.redact.Rule.Same;

/**
 * The table. Each row: id, triggers (see {@link Trigger#parse}), form or names, a sample that must match and one that
 * must not; RedactRulesTest tries every sample. The order decides between rules that would begin at the same place.
 * Token forms are the vendors' own, made less strict: a scanner wants few false alarms, a redactor no leak. So nothing
 * has to stand after a token, and a token cut short by a log's line limit still counts.
 */
final class Rules {
    private static final String OCTET = "(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)";
    private static final String PERCENT = "%(?:25)*+";

    static final List<Rule> ALL = List.of(
            // Klaviyo: older keys are pk_ + 34 hex, newer ones hold the 6 characters of the site id as well.
            token("klaviyo-key", List.of("pk_", "pk%5f"), "(?i:pk)(?:_|" + PERCENT + "5[fF])(?:[A-Za-z0-9]{6}(?:_|" + PERCENT + "5[fF])[A-Za-z0-9]{12,}|[0-9a-fA-F]{12,}|[0-9A-Za-z]{24,})",
                    "key=pk_Ab12Cd_0123456789abcdef0123456789abcdef01,", "constraint pk_orders_2024 and site AbC123"),
            token("klaviyo-scheme", List.of("klaviyo-api-key"), "(?i:klaviyo-api-key)(?:[ \\t:=+\"'\\\\]|%20|%3[aA]|%22)++((?=[^\\s\"',;&)}\\]\\\\0-9]{0,200}+\\d)[^\\s\"',;&)}\\]\\\\<>]{6,}|[^\\s\"',;&)}\\]\\\\<>]{24,})",
                    "Klaviyo-API-Key 8c1d-not-the-usual-form", "Invalid scheme. Please use Klaviyo-API-Key."),
            // Headers and schemes
            rest("cookie", List.of("cookie"), "(?i:cookies?)", "Set-Cookie: sid=8sd7f6; Path=/", "cookies are disabled"),
            token("digest", List.of("digest ", "aws4-hmac"), "(?i:digest|AWS4-HMAC-SHA256) ((?i:username|realm|credential)=[^\\n]+)",
                    "WWW Digest username=\"jo\", response=\"6629fae49393a05397450978507c4ef1\"", "digest sha256:6629fae4"),
            token("authorization", List.of("authorization"), Shapes.AUTHORIZATION, "\"authorization\": \"hunter2\"", "authorization failed"),
            token("bearer", List.of("bearer"), "(?i:bearer)(?:[ \\t:=+\"']|%20|%22)++(?![a-z_]+=)((?=[A-Za-z_.~+/=-]{0,200}+\\d)[\\w.~+/%=-]{8,}|[\\w.~+/%=-]{24,})",
                    "Bearer ya29xk2k3j4h5g,", "a bearer token is missing"),
            token("basic", List.of("basic "), "(?i:basic)(?: |%20|\\+)++((?=[a-z-]{0,200}+[A-Z0-9+/_])[A-Za-z0-9+/_-]{8,}=*+)(?![a-z])",
                    "Basic dXNlcjpwYXNz)", "basic authentication required"),
            // Tokens that their form gives away
            token("jwt", List.of("eyj"), "eyJ[\\w-]{8,}(?:\\.[\\w-]*+){0,4}+", "id eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl&", "heyJude and obeyJSON"),
            token("aws-id", List.of("akia", "asia", "abia", "acca", "a3t"), "(?:(?<![A-Z0-9])|(?<=%[0-9A-F]{2})|(?<=u00[0-9a-fA-F]{2}))(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}", "AKIAIOSFODNN7EXAMPLE&", "ASIA-PACIFIC region"),
            token("gcp-key", List.of("aiza", "ya29.", "gocspx-"), "AIza[\\w-]{30,}|ya29\\.[\\w.-]{16,}|GOCSPX-[\\w-]{16,}", "AIzaSyA1234567890abcdefghijklmnopqrstuv)", "aiza is short"),
            token("slack", List.of("xox", "xapp-", "hooks.slack.com"), "xox[a-z]-[\\w-]{8,}|xapp-[\\w-]{8,}|(?i:hooks\\.slack\\.com)(?:/|%2[fF])(?:services|workflows|triggers)(?:/|%2[fF])([\\w/%-]{8,})",
                    "https://hooks.slack.com/services/T0AB/B0CD/x1y2z3w4", "hooks.slack.com is up"),
            token("github", List.of("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"), "gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\\w{16,}", "ghp_16C7e42F292c6912E7710c838347Ae178B4a,", "ghp_short"),
            token("gitlab", List.of("glpat-"), "glpat-[\\w-]{16,}", "glpat-aB3dE5gH7jK9mN1pQ3s&", "glpat-x"),
            token("npm", List.of("npm_"), "npm_[A-Za-z0-9]{30,}", "npm_aB3dE5gH7jK9mN1pQ3sT5vW7xZ9aB1cD3eF5)", "npm_config_registry"),
            token("stripe", List.of("sk_live_", "rk_live_", "sk_test_", "rk_test_", "whsec_"), "[sr]k_(?:live|test)_[A-Za-z0-9]{8,}|whsec_[A-Za-z0-9+/=]{8,}", "sk_live_4eC39HqLyjWDarjtT1zdp7dc;", "risk_test_1"),
            token("shopify", List.of("shpat_", "shpss_", "shpca_", "shppa_"), "shp(?:at|ss|ca|pa)_[0-9a-fA-F]{16,}", "shpat_0123456789abcdef0123456789abcdef&", "shpat_name"),
            token("sendgrid", List.of("sg."), "SG\\.[\\w-]{16,}\\.[\\w-]{16,}", "SG.aB3dE5gH7jK9mN1pQ3sT5v.W7xZ9aB1cD3eF5gH7jK9mN1pQ3sT5vW7xZ9aB1cD3eF", "SG.Singapore.node"),
            token("twilio", List.of("sk~~~~~~~~"), "SK[0-9a-fA-F]{32}", "SK0123456789abcdef0123456789abcdef)", "SK01234567"),
            token("openai", List.of("sk-"), "(?<![A-Za-z])sk-(?=[A-Za-z_-]{0,200}+\\d)[\\w-]{20,}", "sk-proj-aB3dE5gH7jK9mN1pQ3sT5v,", "risk-assessment-of-everything-2"),
            token("fcm-token", List.of(":apa91b"), "(?i::APA91b)[\\w-]{20,}", "cXyZ:APA91bHPRgkFexample1234567890abcd", "map:APA91b"),
            // Addresses with a login inside
            token("userinfo", List.of("://"),
                    "://([^\\s/:@\"'<>?#\\\\]{0,128}+(?::(?!\\d{1,6}+(?:[/?#\\s\"']|\\z))[^\\s\"'<>?#\\\\@]{1,256}+(?:@[^\\s\"'<>?#\\\\@/]{1,128}+(?=@))?)?)@",
                    "amqp://jo:p%40ss/w@mq.internal:5672/", "https://a.klaviyo.com:443/api/events?to=x"),
            token("userinfo", List.of("%3a%2f%2f", "%253a%252f"), PERCENT + "3[aA](?:" + PERCENT + "2[fF]){2}((?:[^\\s/:@\"'<>?#\\\\%]{0,128}+%(?!(?:25)*+(?:40|2[fF]))){1,24}[^\\s/:@\"'<>?#\\\\%]{0,128}+)" + PERCENT + "40",
                    "to=redis%3A%2F%2Fjo%3Ahunter2%40cache%2F0", "to=https%3A%2F%2Fa.klaviyo.com%2Fapi"),
            token("jdbc-login", List.of("jdbc:oracle"), "(?i:jdbc:oracle:[a-z]{1,20}:)([^\\s/@:]{1,128}/[^\\s@]{1,256})@", "jdbc:oracle:thin:scott/tiger@db:1521", "jdbc:oracle:thin:@db:1521"),
            // Secrets by name
            token("oauth-code", List.of("?code=", "&code=", "&?code=", "_code", "code_verifier", "%26code%3d"),
                    "(?i:(?:[?&]|&amp;|%26)code(?:=|%3D)|(?:authorization|device)_code[\"'\\\\]*\\s*[:=]\\s*[\"'\\\\]*+|code_verifier[\"'\\\\]*\\s*[:=]\\s*[\"'\\\\]*+)([\\w.~%/+-]{6,})",
                    "/oauth/callback?code=gH7jK9mN1pQ3&state=1", "\"code\":\"throttled\", code=429 error_code=invalid"),
            token("option", List.of("--"), "--[a-z-]{0,24}(?:password|passwd|token|secret|secret-string|api-?key)(?:[ \\t]+|=)[\"']?([^\\s\"'-][^\\s\"']*+)",
                    "mysql --password hunter2", "aws --secret-id klaviyo-key --token-file x"),
            secret("signature", List.of("signature"), "(?i:(?:x-amz-|klaviyo[-_])?signature)", "Klaviyo-Signature: 5f2a9c0e", "signature verification failed"),
            secret("secret", List.of("password", "passwd", "passphrase", "^pwd^", "secret", "token", "api_key", "apikey", "api-key", "api%5fkey", "access_key", "access-key", "accesskey",
                            "private_key", "private-key", "privatekey", "account_key", "accountkey", "auth_key", "authkey", "session_id", "sessionid", "credential", "^sig^", "^jwt^", "^csrf", "^auth^"),
                    "(?i:[^A-Za-z]?+(?:pwd|sig|jwt|csrf|auth)|password|passwd|passphrase|secret|token|(?:api|access|private|account|auth)(?:[_-]|%5f)?key|session_?id|credential)(?i:[_-]?(?:access|string|value)?[_-]?(?:key|string|value))?",
                    "client_secret=s3cr3t,x&grant=1", "\"token_type\": \"bearer\", tokens=512, scope credentials:read"),
            // Personal data that its form gives away
            shown("email", List.of("@", "%40", "%2540", "u0040", "&?64;", "&?x40;"), Lead.LOCAL_PART,
                    "(?:@|" + PERCENT + "40|u0040|&#64;|&#[xX]40;)(?!\\d[xX]\\.)"
                            + "(?:[A-Za-z0-9\\x80-\\xff](?:[A-Za-z0-9\\x80-\\xff-]{0,62})\\.){1,8}[A-Za-z\\x80-\\xff][A-Za-z0-9\\x80-\\xff-]{0,62}(?<![-])",
                    Same.ANY_CASE, "to=jo.o+x%40Example.co.uk&", "lodash@4.17.21 logo@2x.png @klaviyo"),
            shown("phone", List.of("+#", "+(#", "%2b#", "u002b#", "&?43;#"), Lead.NONE,
                    "(?:(?:(?<![0-9A-Za-z+/])|(?<=\\\\[nrt])|(?<=%[0-9A-Fa-f]{2})|(?<=u00[0-9a-fA-F]{2}))\\+|" + PERCENT + "2[bB]|\\\\*u002[bB]|&#43;)\\(?[1-9](?:(?:[ .()-]|%20){0,2}\\d){6,14}(?!\\d)",
                    Same.DIGITS, "tel:+1 (555) 010-9999,", "2026-11-23T03:04:05+01:00 or +1500"),
            shown("ip", List.of(".#.#", ".##.#", ".###.#"), Lead.DIGITS,
                    "(?:(?<![\\w.-])|(?<=%[0-9A-Fa-f]{2})|(?<=u00[0-9a-fA-F]{2}))(?<!(?<!/)/)" + OCTET + "\\." + OCTET + "\\." + OCTET + "\\." + OCTET + "(?![\\w]|\\.\\d|-[a-zA-Z])(?<!127\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}|[^0-9]0\\.0\\.0\\.0|255\\.255\\.255\\.\\d{1,3})"
                            + "(?<![vV]ersion[ =:\"]{1,4}[0-9.]{7,15})",
                    Same.ANY_CASE, "client 203.0.113.9:443", "Chrome/120.0.0.0 v1.2.3.4 version=1.2.3.4 at 12:34:56 on 127.0.0.1"),
            shown("ip", List.of("::", ":~~~~:", ":~~~:", "%3a%3a"), Lead.HEX_GROUPS,
                    "(?<![\\w:.])(?=[a-fA-F:]*+\\d)(?:(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|(?:[0-9a-fA-F]{1,4}:){1,6}(?::[0-9a-fA-F]{1,4}){1,6}|(?:[0-9a-fA-F]{1,4}:){2,7}:|::(?:[fF]{4}:)?(?:\\d{1,3}\\.){3}\\d{1,3}|::(?!1\\b)[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4})*)(?![\\w:])",
                    Same.ANY_CASE, "from 2001:db8::ff00:42:8329,", "std::add 12:34:56 00:1b:44:11:3a:b7 ::1"),
            // Personal data by the names of Klaviyo's profile fields
            name("first-name", List.of("first_name", "firstname", "first-name", "given_name", "givenname"), "first_name=Mary Ann, x", "the first name is missing"),
            name("last-name", List.of("last_name", "lastname", "last-name", "surname", "family_name", "familyname"), "\\\"last_name\\\":\\\"O'Neil\\\"", "last_named"),
            name("full-name", List.of("full_name", "fullname", "full-name", "customer_name", "customername", "contact_name"), "fullName='Jo Doe'", "full names: 3"),
            address("address", List.of("address1", "address2", "address_1", "address_2", "address_line", "street", "addressline"), "Profile{address1=12 Main St, x=1}", "address book"),
            name("city", List.of("^city^", "_city^"), "\"city\": \"Boston\"", "capacity=10"),
            field("zip", List.of("^zip^", "zip_code", "zipcode", "postal_code", "postalcode", "postcode"), "zip%22%3A%2202111%22", "gzip=on"),
            phone( List.of("phone_number", "phonenumber", "phone-number", "^phone^", "mobile_number", "mobilephone", "^mobile^"), "\"phone_number\": 15550109999", "phone is down"),
            field("latitude", List.of("latitude", "^lat^"), "\"latitude\": 42.3601", "latency=10"),
            field("longitude", List.of("longitude", "^lng^", "^lon^"), "longitude=-71.0589", "along: x"),
            field("external-id", List.of("external_id", "externalid", "external-id"), "external_id=cust-20991", "external identity"),
            field("anonymous-id", List.of("anonymous_id", "anonymousid", "anonymous-id"), "anonymousId: a-b-c", "anonymous ids"),
            field("kx", List.of("_kx", "exchange_id"), "?_kx=h8ZkQ2.AbC123&", "_kxyz"),
            field("birthday", List.of("birthday", "date_of_birth", "birth_date", "^dob^"), "\"birthday\":\"1980-02-29\"", "birthday flow"));

    /** Encodings, found by decoding (see {@link EncodedRuns}). */
    static final Rule ENCODED = token("encoded", List.of(), "", "blob=eyBrZXk6IHBrX0FiMTJDZF8wMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAxIH0", "sha384-oqVuAfXRKap7fdgcCY5uykM6R9GqQ8K8uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC");
    /** Private keys over several lines, found before lines are looked at (see {@link PrivateKeys}). */
    static final Rule PRIVATE_KEY = token("private-key", List.of(), "", "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIr\n-----END EC PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----");

    private Rules() { }

    /** The rule of that id. */
    static Optional<Rule> named(String id) {
        return ALL.stream().filter(rule -> rule.id().equals(id)).findFirst();
    }
}
