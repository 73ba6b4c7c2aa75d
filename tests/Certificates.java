import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.util.*;
import javax.net.ssl.*;

/** Real certificates from an authority of our own, made by the running JDK's keytool. */
record Certificates(Path folder, KeyStore all) {
    private static final char[] PASSWORD = "changeit".toCharArray();

    /** An authority, and for loopback a certificate in order, an expired one, and one for another name. */
    static Certificates make(Path folder) throws IOException, GeneralSecurityException {
        Path store = folder.resolve("all.p12");
        keytool(store, "authority", "-ext", "bc:c");
        keytool(store, "good", "-signer", "authority", "-ext", "SAN=ip:127.0.0.1");
        keytool(store, "expired", "-signer", "authority", "-ext", "SAN=ip:127.0.0.1", "-startdate", "-400d", "-validity", "365");
        keytool(store, "wrong-name", "-signer", "authority", "-ext", "SAN=dns:another.example");
        KeyStore all = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(store)) {
            all.load(in, PASSWORD);
        }
        return new Certificates(folder, all);
    }

    private static void keytool(Path store, String alias, String... more) {
        List<String> words = new ArrayList<>(List.of(Run.JAVA_HOME.resolve("bin/keytool").toString(), "-genkeypair", "-alias", alias,
                "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=" + alias, "-storetype", "PKCS12", "-keystore",
                store.toString(), "-storepass", new String(PASSWORD)));
        words.addAll(List.of(more));
        Run.Result result = Run.command(words.toArray(String[]::new)).run();
        if (result.exit() != 0) {
            throw new IllegalStateException("keytool: " + result);
        }
    }

    /** For a server that shows this certificate. */
    SSLContext server(String alias) throws GeneralSecurityException, IOException {
        KeyStore one = KeyStore.getInstance("PKCS12");
        one.load(null, null);
        one.setKeyEntry(alias, all.getKey(alias, PASSWORD), PASSWORD, all.getCertificateChain(alias));
        KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        managers.init(one, PASSWORD);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(managers.getKeyManagers(), null, null);
        return context;
    }

    /** JVM options that trust the authority alone: a store with a key in it would trust that key's certificate as it is. */
    String trusting() throws GeneralSecurityException, IOException {
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        trusted.setCertificateEntry("authority", all.getCertificate("authority"));
        Path file = folder.resolve("trusted.p12");
        try (OutputStream out = Files.newOutputStream(file)) {
            trusted.store(out, PASSWORD);
        }
        return "-Djavax.net.ssl.trustStore=" + file + " -Djavax.net.ssl.trustStorePassword=" + new String(PASSWORD);
    }
}
