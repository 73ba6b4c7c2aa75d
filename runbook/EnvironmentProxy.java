package runbook;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The proxy that curl and the cloud CLIs would use: {@code HTTPS_PROXY}, {@code HTTP_PROXY}, {@code ALL_PROXY} and
 * {@code NO_PROXY}, in either case; lower case wins, as in curl. Upper-case {@code HTTP_PROXY} is ignored inside a CGI
 * program, where a request's {@code Proxy} header could set it (https://httpoxy.org).
 */
public final class EnvironmentProxy extends ProxySelector {
    private final Map<String, String> environment;

    /** A selector over these variables; unreadable values count as unset. */
    public EnvironmentProxy(Map<String, String> environment) {
        this.environment = environment;
    }

    /** The proxy's address for a destination; empty when it is reached directly. */
    public Optional<URI> proxyFor(URI destination) {
        String scheme = String.valueOf(destination.getScheme()).toLowerCase();
        Optional<String> value = scheme.equals("https")
                ? first("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
                : first(
                        "http_proxy",
                        environment.containsKey("REQUEST_METHOD") ? "http_proxy" : "HTTP_PROXY",
                        "all_proxy",
                        "ALL_PROXY");
        return value.filter(ignored -> !excluded(destination)).flatMap(EnvironmentProxy::address);
    }

    private Optional<String> first(String... names) {
        return Stream.of(names).map(environment::get).filter(value -> value != null && !value.isBlank()).findFirst();
    }

    private boolean excluded(URI destination) {
        String host = String.valueOf(destination.getHost()).toLowerCase();
        return first("no_proxy", "NO_PROXY").stream()
                .flatMap(list -> Stream.of(list.toLowerCase().split("[,\\s]+")))
                .map(entry -> entry.replaceFirst(":\\d+$", "").replaceFirst("^\\*?\\.", ""))
                .anyMatch(entry ->
                        entry.equals("*") || host.equals(entry) || !entry.isEmpty() && host.endsWith("." + entry));
    }

    private static Optional<URI> address(String value) {
        try {
            URI uri = URI.create(value.contains("://") ? value : "http://" + value);
            return uri.getHost() == null ? Optional.empty() : Optional.of(uri);
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    /** The port of a proxy's address: the one given, else its scheme's. */
    public static int port(URI proxy) {
        return proxy.getPort() != -1 ? proxy.getPort() : "https".equals(proxy.getScheme()) ? 443 : 80;
    }

    /** The {@code Proxy-Authorization} header for a proxy whose address holds user and password. */
    public static Optional<String> authorization(URI proxy) {
        return Optional.ofNullable(proxy.getUserInfo())
                .map(info -> "Basic " + Base64.getEncoder().encodeToString(info.getBytes(StandardCharsets.UTF_8)));
    }

    @Override
    public List<Proxy> select(URI destination) {
        return proxyFor(destination)
                .map(proxy -> List.of(
                        new Proxy(Proxy.Type.HTTP, InetSocketAddress.createUnresolved(proxy.getHost(), port(proxy)))))
                .orElse(List.of(Proxy.NO_PROXY));
    }

    @Override
    public void connectFailed(URI destination, SocketAddress proxy, IOException failure) {
        // The request itself reports it.
    }
}
