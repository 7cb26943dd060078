cat >Client.java <<'J'
import java.io.FileInputStream;
import java.net.URI;
import java.net.http.*;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.*;

public class Client {
    public static void main(String[] args) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (FileInputStream file = new FileInputStream(System.getenv("CA"))) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(file));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        HttpClient client = HttpClient.newBuilder().sslContext(context).build();
        for (String url : new String[] {"https://" + System.getenv("WEB"), "http://" + System.getenv("PLAIN")}) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(url + "/who")).build();
            System.out.print(client.send(request, HttpResponse.BodyHandlers.ofString()).body());
        }
        HttpsURLConnection old = (HttpsURLConnection) URI.create("https://" + System.getenv("WEB") + "/who").toURL().openConnection();
        old.setSSLSocketFactory(context.getSocketFactory());
        System.out.print(new String(old.getInputStream().readAllBytes()));
        try {
            HttpRequest request = HttpRequest.newBuilder(URI.create("https://" + System.getenv("OTHER") + "/who")).build();
            client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println("REACHED");
        } catch (java.io.IOException expected) {
            System.out.println("refused");
        }
    }
}
J
java Client.java
