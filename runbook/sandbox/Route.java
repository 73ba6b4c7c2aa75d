package runbook.sandbox;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import runbook.sandbox.RateWindows.Tier;

/**
 * One operation of Klaviyo's API: who may call it, how often, and with which parameters. The rules are those of the
 * OpenAPI specification of revision 2026-07-15 (github.com/klaviyo/openapi); an endpoint without a {@code page[size]}
 * there refuses one here.
 *
 * @param path    without the trailing slash; {@code {id}} stands for one segment
 * @param type    of the resources
 * @param beta    whether it needs the {@code .pre} revision
 * @param page    the default page size; 0 when everything comes at once
 * @param rules   by parameter name; what is not here is refused
 * @param filters the operators allowed on each field, separated by spaces
 */
record Route(String method, String path, String type, String scope, Tier tier, boolean beta, int page,
             Map<String, Rule> rules, Map<String, String> filters) {
    private static final Tier XS = new Tier(1, 15);
    private static final Tier M = new Tier(10, 150);
    private static final Tier L = new Tier(75, 750);
    private static final Tier XL = new Tier(350, 3500);
    private static final String COMPARED = "greater-or-equal greater-than less-or-equal less-than";
    private static final String FLOW = "archived created id name status trigger_type updated";
    private static final String METRIC = "created id integration name updated";

    private static final Map<String, Rule> API_KEY = Map.of(
            "fields[api-key]", Rule.listOf("created id name redacted_key scopes status"),
            "additional-fields[api-key]", Rule.listOf("redacted_key"));

    private static final Map<String, Rule> ACCOUNT = Map.of("fields[account]", Rule.listOf(
            "id industry locale preferred_currency public_api_key test_account timezone " + ProfileFields.under(
                    "contact_information", "default_sender_email default_sender_name organization_name street_address "
                    + "street_address.address1 street_address.address2 street_address.city street_address.country "
                    + "street_address.region street_address.zip website_url")));

    private static final Map<String, Rule> LIST = Map.of(
            "fields[list]", Rule.listOf("created id name opt_in_process updated"),
            "fields[tag]", Rule.listOf("id name"), "fields[flow]", Rule.listOf(FLOW),
            "include", Rule.listOf("flow-triggers tags"),
            "filter", Rule.any(), "page[cursor]", Rule.any(), "page[size]", Rule.range(1, 10),
            "sort", Rule.oneOf("created -created id -id name -name updated -updated"));

    private static final Map<String, Rule> METRICS = Map.of(
            "fields[metric]", Rule.listOf(METRIC), "fields[flow]", Rule.listOf(FLOW),
            "include", Rule.listOf("flow-triggers"), "filter", Rule.any(), "page[cursor]", Rule.any());

    private static final Map<String, Rule> EVENT = Map.of(
            "fields[event]", Rule.listOf("datetime event_properties id timestamp uuid"),
            "fields[attribution]", Rule.listOf("id"), "fields[metric]", Rule.listOf(METRIC),
            "fields[profile]", Rule.listOf(ProfileFields.PLAIN),
            "include", Rule.listOf("attributions metric profile"),
            "filter", Rule.any(), "page[cursor]", Rule.any(), "page[size]", Rule.range(1, 1000),
            "sort", Rule.oneOf("datetime -datetime timestamp -timestamp"));

    private static final Map<String, Rule> PROFILE = Map.of(
            "fields[profile]", Rule.listOf(ProfileFields.ALL), "fields[push-token]", Rule.listOf(ProfileFields.PUSH_TOKEN),
            "fields[conversation]", Rule.listOf("channel id"),
            "additional-fields[profile]", Rule.listOf("subscriptions predictive_analytics"),
            "include", Rule.listOf("conversations push-tokens"),
            "filter", Rule.any(), "page[cursor]", Rule.any(), "page[size]", Rule.range(1, 100),
            "sort", Rule.oneOf("created -created email -email id -id updated -updated "
                    + ProfileFields.suppression("list_suppressions") + " " + ProfileFields.suppression("suppression")));

    private static final Map<String, Rule> WEBHOOK = Map.of(
            "fields[webhook]", Rule.listOf("created_at description enabled endpoint_url id name updated_at"),
            "fields[webhook-topic]", Rule.listOf("id"), "include", Rule.listOf("webhook-topics"));

    static final List<Route> ALL = List.of(
            new Route("GET", "/api/accounts", "account", "accounts:read", XS, false, 0, ACCOUNT, Map.of()),
            new Route("GET", "/api/profiles", "profile", "profiles:read", L, false, 20, PROFILE, ProfileFields.FILTERS),
            new Route("GET", "/api/lists", "list", "lists:read", L, false, 10, LIST, Map.of("name", "any equals",
                    "id", "any equals", "created", "greater-than", "updated", "greater-than")),
            new Route("GET", "/api/metrics", "metric", "metrics:read", M, false, 200, METRICS,
                    Map.of("integration.name", "equals", "integration.category", "equals")),
            new Route("GET", "/api/events", "event", "events:read", XL, false, 200, EVENT, Map.of("metric_id", "equals",
                    "profile_id", "equals", "profile", "has", "metric", "has", "datetime", COMPARED, "timestamp", COMPARED)),
            new Route("GET", "/api/webhooks", "webhook", "webhooks:read", XS, false, 0, WEBHOOK, Map.of()),
            new Route("GET", "/api/webhook-topics", "webhook-topic", "webhooks:read", XS, false, 0, Map.of(), Map.of()),
            new Route("GET", "/api/api-keys", "api-key", "credentials:read", XS, true, 0, API_KEY, Map.of()),
            new Route("GET", "/api/api-keys/{id}", "api-key", "credentials:read", XS, true, 0, API_KEY, Map.of()),
            new Route("PATCH", "/api/api-keys/{id}", "api-key", "credentials:write", XS, true, 0, API_KEY, Map.of()));

    /** Whether any operation has this path, whatever its method. */
    static boolean known(String path) {
        return ALL.stream().anyMatch(route -> route.matcher(path).matches());
    }

    static Optional<Route> of(String method, String path) {
        return ALL.stream().filter(route -> route.method.equals(method) && route.matcher(path).matches()).findFirst();
    }

    /** The {@code {id}} in a path. */
    Optional<String> id(String path) {
        Matcher matcher = matcher(path);
        return matcher.matches() && matcher.groupCount() == 1 ? Optional.of(matcher.group(1)) : Optional.empty();
    }

    /** What this request may cost: computed predictions lower the limit of profiles, as Klaviyo documents. */
    Tier tier(Map<String, List<String>> parameters) {
        List<String> more = parameters.getOrDefault("additional-fields[profile]", List.of());
        return more.stream().anyMatch(value -> value.contains("predictive_analytics")) ? M : tier;
    }

    private Matcher matcher(String requested) {
        return Pattern.compile(path.replace("{id}", "([^/]+)") + "/?").matcher(requested);
    }

    /** The profile fields of the specification: many, and regular. */
    private static final class ProfileFields {
        static final String PLAIN = "created email external_id first_name id image last_event_date last_name locale "
                + "organization phone_number properties title updated "
                + under("location", "address1 address2 city country ip latitude longitude region timezone zip");
        private static final String CONSENT = "consent consent_timestamp last_updated ";
        private static final String CHANNEL = CONSENT + "created_timestamp metadata valid_until ";
        static final String ALL = String.join(" ", PLAIN, "subscriptions subscriptions.email subscriptions.mobile_push "
                        + "subscriptions.sms subscriptions.whatsapp",
                under("predictive_analytics", "average_days_between_orders average_order_value churn_probability "
                        + "expected_date_of_next_order historic_clv historic_number_of_orders predicted_clv "
                        + "predicted_number_of_orders ranked_channel_affinity total_clv"),
                under("subscriptions.email.marketing", CONSENT + "can_receive_email_marketing custom_method_detail "
                        + "double_optin list_suppressions method method_detail suppression"),
                under("subscriptions.email.open_tracking", CHANNEL + "can_receive"),
                under("subscriptions.mobile_push.marketing", "can_receive_push_marketing consent consent_timestamp"),
                under("subscriptions.sms.marketing", CONSENT + "can_receive_sms_marketing method method_detail"),
                under("subscriptions.sms.transactional", CONSENT + "can_receive_sms_transactional method method_detail"),
                under("subscriptions.whatsapp.conversational", CHANNEL + "can_receive phone_number"),
                under("subscriptions.whatsapp.marketing", CHANNEL + "can_receive phone_number"),
                under("subscriptions.whatsapp.transactional", CHANNEL + "can_receive phone_number"));
        static final String PUSH_TOKEN = "background created enablement_status id platform recorded_date token vendor "
                + under("metadata", "app_build app_id app_name app_version device_id device_model environment klaviyo_sdk "
                + "manufacturer os_name os_version sdk_version");
        static final Map<String, String> FILTERS = filters();

        static String under(String parent, String children) {
            return parent + " " + parent + "." + children.trim().replace(" ", " " + parent + ".");
        }

        static String suppression(String kind) {
            String field = "subscriptions.email.marketing." + kind + ".timestamp";
            return field + " -" + field;
        }

        private static Map<String, String> filters() {
            Map<String, String> filters = new HashMap<>(Map.of("id", "any equals", "email", "any equals",
                    "phone_number", "any equals", "external_id", "any equals", "_kx", "equals",
                    "created", "greater-than less-than", "updated", "greater-than less-than"));
            for (String kind : List.of("list_suppressions", "suppression")) {
                filters.put("subscriptions.email.marketing." + kind + ".reason", "equals");
                filters.put("subscriptions.email.marketing." + kind + ".timestamp", COMPARED);
            }
            filters.put("subscriptions.email.marketing.list_suppressions.list_id", "equals");
            return Map.copyOf(filters);
        }
    }
}
