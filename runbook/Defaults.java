package runbook;

import java.io.File;
import java.util.Map;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.PropertiesDefaultProvider;

/** Defaults of options: the environment first, then {@code ~/.klaviyo-runbook.properties}, then the option's own. */
final class Defaults implements IDefaultValueProvider {
    /** The environment variable behind each shared option. */
    static final Map<String, String> ENVIRONMENT = Map.of(
            "--api-url", "KLAVIYO_API_URL",
            "--status-url", "KLAVIYO_STATUS_URL",
            "--app-url", "KLAVIYO_APP_URL",
            "--webhook-url", "KLAVIYO_WEBHOOK_URL",
            "--prometheus", "KLAVIYO_PROMETHEUS_URL",
            "--revision", "KLAVIYO_REVISION",
            "--timeout", "KLAVIYO_TIMEOUT",
            "--incident", "KLAVIYO_INCIDENT");

    private final File file = new File(System.getProperty("user.home"), ".klaviyo-runbook.properties");
    private final IDefaultValueProvider properties = file.isFile() ? new PropertiesDefaultProvider(file) : null;

    @Override
    public String defaultValue(ArgSpec argument) throws Exception {
        if (argument instanceof OptionSpec option && ENVIRONMENT.containsKey(option.longestName())) {
            String value = System.getenv(ENVIRONMENT.get(option.longestName()));
            if (value != null && !value.isBlank()) {
                return value;
            }
        }
        return properties == null ? null : properties.defaultValue(argument);
    }
}
