/**
 * What {@code --drill} runs against: an embedded Klaviyo, its status page, our application, a Prometheus API, a webhook
 * route and a Slack webhook, all on loopback. It refuses what the real ones would refuse, and breaks in the ways that
 * {@link runbook.sandbox.Scenario} lists. Nothing outside this package knows how it works inside.
 */
//SOURCES ../package-info.java
//SOURCES Scenario.java
//SOURCES Behaviour.java
//SOURCES ApiFault.java
//SOURCES Schedule.java
//SOURCES VendorIncident.java
//SOURCES VendorIncidents.java
//SOURCES Sandbox.java
//SOURCES Control.java
//SOURCES World.java
//SOURCES SandboxClock.java
//SOURCES Keyring.java
//SOURCES Ids.java
//SOURCES WebServer.java
//SOURCES Request.java
//SOURCES Reply.java
//SOURCES KlaviyoApi.java
//SOURCES KlaviyoErrors.java
//SOURCES KlaviyoData.java
//SOURCES ApiKeysResource.java
//SOURCES Route.java
//SOURCES Rule.java
//SOURCES Revisions.java
//SOURCES Page.java
//SOURCES Filter.java
//SOURCES RateWindows.java
//SOURCES StatusPageSite.java
//SOURCES StatusPageFeeds.java
//SOURCES Application.java
//SOURCES Traffic.java
//SOURCES PrometheusApi.java
//SOURCES PromQuery.java
//SOURCES WebhookSite.java
//SOURCES ExpiredCertificate.java
//SOURCES SlackSite.java
package runbook.sandbox;
