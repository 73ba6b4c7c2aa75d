package runbook.sandbox;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/** A self-signed certificate for loopback that ran out 35 days ago, made by the running JDK's keytool. */
final class ExpiredCertificate {
    private static final String PASSWORD = "STOREPASS";

    private ExpiredCertificate() { }

    /** Takes about a second: a JVM has to start. */
    static SSLContext context() {
        try {
            Path folder = Files.createTempDirectory("drill-certificate");
            Path store = folder.resolve("expired.p12");
            // Guards nothing but this throw-away certificate; still not in argv, where the tests look for secrets.
            String password = UUID.randomUUID().toString();
            try {
                keytool(store, password);
                return context(store, password);
            } finally {
                Files.deleteIfExists(store);
                Files.deleteIfExists(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException("cannot make the drill's expired certificate", e);
        }
    }

    private static void keytool(Path store, String password) throws IOException {
        ProcessBuilder keytool = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair", "-alias", "drill", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=localhost,O=Drill",
                "-ext", "SAN=ip:127.0.0.1,dns:localhost", "-startdate", "-400d", "-validity", "365",
                "-storetype", "PKCS12", "-keystore", store.toString(), "-storepass:env", PASSWORD);
        keytool.environment().put(PASSWORD, password);
        keytool.redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.DISCARD);
        Process process = keytool.start();
        try {
            if (!process.waitFor(20, TimeUnit.SECONDS) || process.exitValue() != 0) {
                throw new IOException("keytool of " + System.getProperty("java.home") + " made no certificate");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while keytool made a certificate", e);
        } finally {
            process.destroyForcibly();
        }
    }

    private static SSLContext context(Path store, String password) throws IOException {
        try (InputStream in = Files.newInputStream(store)) {
            KeyStore keys = KeyStore.getInstance("PKCS12");
            keys.load(in, password.toCharArray());
            KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            managers.init(keys, password.toCharArray());
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(managers.getKeyManagers(), null, null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IOException("the certificate that keytool made cannot be read", e);
        }
    }
}
