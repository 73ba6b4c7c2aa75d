package runbook;

import java.security.cert.CertPathBuilderException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import java.util.Optional;
import javax.net.ssl.SSLException;

/** Why a TLS handshake failed, told apart by what the JDK throws. */
public final class TlsFault {
    private TlsFault() { }

    /** The kind of TLS fault behind an exception; empty when TLS has no part in it. */
    public static Optional<Http.Kind> of(Throwable thrown) {
        boolean tls = false;
        for (Throwable cause = thrown; cause != null && cause.getCause() != cause; cause = cause.getCause()) {
            String message = String.valueOf(cause.getMessage());
            if (cause instanceof CertificateExpiredException || cause instanceof CertificateNotYetValidException) {
                return Optional.of(Http.Kind.TLS_EXPIRED);
            }
            // The JDK has no exception of its own for a wrong name, only these messages (sun.security.util.HostnameChecker).
            if (message.contains("No subject alternative") || message.contains("No name matching")) {
                return Optional.of(Http.Kind.TLS_WRONG_NAME);
            }
            if (cause instanceof CertPathBuilderException || message.contains("unable to find valid certification path")) {
                return Optional.of(Http.Kind.TLS_UNTRUSTED);
            }
            tls |= cause instanceof SSLException;
        }
        return tls ? Optional.of(Http.Kind.TLS) : Optional.empty();
    }

    /** The kind in words; {@code detail} is what the JDK said. */
    public static String words(Http.Kind kind, String detail) {
        return switch (kind) {
            case TLS_EXPIRED -> "TLS: the certificate has expired or is not valid yet";
            case TLS_WRONG_NAME -> "TLS: the certificate is for another host name";
            case TLS_UNTRUSTED -> "TLS: the certificate comes from an unknown authority (a proxy that inspects TLS?)";
            default -> "TLS handshake failed: " + Text.safe(detail, 100);
        };
    }
}
