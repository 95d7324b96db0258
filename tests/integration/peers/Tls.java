// SPDX-License-Identifier: BSD-2-Clause

import java.io.*;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import javax.net.ssl.*;

/** JSSE as a client: Tls HOST PORT SUITE NAME; a megabyte up and down. */
class Tls {
	static class Any extends X509ExtendedTrustManager {
		public void checkClientTrusted(X509Certificate[] c, String a) { }
		public void checkServerTrusted(X509Certificate[] c, String a) { }
		public void checkClientTrusted(X509Certificate[] c, String a, java.net.Socket s) { }
		public void checkServerTrusted(X509Certificate[] c, String a, java.net.Socket s) { }
		public void checkClientTrusted(X509Certificate[] c, String a, SSLEngine e) { }
		public void checkServerTrusted(X509Certificate[] c, String a, SSLEngine e) { }
		public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
	}

	public static void main(String[] args) throws Exception {
		SSLContext ctx = SSLContext.getInstance("TLSv1.3");
		ctx.init(null, new TrustManager[] { new Any() }, null);
		SSLSocket s = (SSLSocket)ctx.getSocketFactory().createSocket(args[0],
		    Integer.parseInt(args[1]));
		s.setEnabledProtocols(new String[] { "TLSv1.3" });
		s.setEnabledCipherSuites(new String[] { args[2] });
		SSLParameters p = s.getSSLParameters();
		p.setServerNames(java.util.List.of(new SNIHostName(args[3])));
		s.setSSLParameters(p);
		byte[] body = new byte[1 << 20];
		new SecureRandom().nextBytes(body);
		InputStream in = new BufferedInputStream(s.getInputStream());
		for (int i = 0; i < 3; i++) {
			OutputStream out = s.getOutputStream();
			out.write(("POST /java HTTP/1.1\r\nHost: " + args[3] +
			    "\r\nContent-Length: " + body.length + "\r\n\r\n").getBytes());
			out.write(body);
			out.flush();
			StringBuilder head = new StringBuilder();
			while (head.indexOf("\r\n\r\n") < 0)
				head.append((char)in.read());
			byte[] got = in.readNBytes(body.length);
			if (!Arrays.equals(got, body))
				throw new Exception("another body came back: " + head);
		}
		s.close();
		System.out.println("ok");
	}
}
