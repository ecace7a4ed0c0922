package download

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// A webOfHosts is one server that plays every host, over http and https, and
// notes which of them got a password.
type webOfHosts struct {
	client *Client
	mu     sync.Mutex
	seen   []string
}

// newWebOfHosts redirects each path "/to/URL" to URL; others are the content.
func newWebOfHosts(t *testing.T) *webOfHosts {
	w := &webOfHosts{}
	handler := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		login, password, ok := r.BasicAuth()
		text := r.Host
		if r.TLS != nil {
			text = "https://" + text
		}
		if ok {
			text += "=" + login + ":" + password
		}
		if referer := r.Referer(); referer != "" {
			text += " from " + referer
		}
		w.mu.Lock()
		w.seen = append(w.seen, text)
		w.mu.Unlock()
		if to, ok := strings.CutPrefix(r.URL.Path, "/to/"); ok {
			rw.Header().Set("Location", to)
			rw.WriteHeader(http.StatusFound)
			return
		}
		whole(rw, r)
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		to := plain.Listener.Addr().String()
		if strings.HasSuffix(address, "443") {
			to = secure.Listener.Addr().String()
		}
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}
	transport := &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	t.Cleanup(transport.CloseIdleConnections)
	netrc, err := ParseNetrc("machine a.org login ada password secret1\nmachine b.org login bob password secret2\n" +
		"machine localhost login me password secret3\nmachine 127.0.0.1 login me password secret4\ndefault login any password secret5")
	if err != nil {
		t.Fatal(err)
	}
	w.client = &Client{HTTP: &http.Client{Transport: transport}, Netrc: netrc}
	return w
}

// TestRedirects: nothing leads from TLS to the clear, or to a file.
func TestRedirects(t *testing.T) {
	w := newWebOfHosts(t)
	for _, test := range []struct{ url, want string }{
		{"https://a.org/to/http://a.org/x", "refused to be redirected from https to http://a.org/x"},
		{"https://c.org/to/https://b.org/to/http://a.org/x", "refused to be redirected from https to http://a.org/x"},
		{"http://c.org/to/https://b.org/to/http://a.org/x", "refused to be redirected from https to http://a.org/x"},
		{"http://c.org/to/file:///etc/hostname", "refused to be redirected to file:///etc/hostname, which is neither"},
		{"https://c.org/to/ftp://a.org/x", "neither https nor http"},
		{"http://c.org" + strings.Repeat("/to/http://c.org", 11) + "/x", "redirected more than 10 times"},
	} {
		r := request(t, test.url)
		err := w.client.Fetch(t.Context(), r)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") || IsTransient(err) {
			t.Errorf("%s: got %v, want error with %q", test.url, err, test.want)
		}
		checkNothing(t, r)
	}
	r := request(t, "http://c.org"+strings.Repeat("/to/http://c.org", 10)+"/x")
	checkDone(t, r, w.client.Fetch(t.Context(), r))
}

// TestCertificate: a server that nobody vouches for is refused, and one that
// SSL_CERT_FILE, say, vouches for but that is called otherwise, too.
func TestCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(whole))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of clients that refuse it
	server.StartTLS()
	defer server.Close()
	r := request(t, server.URL+"/a")
	err := New(1, nil).Fetch(t.Context(), r)
	if err == nil || !strings.Contains(err.Error(), "unknown authority") || !strings.Contains(err.Error(), "SSL_CERT_FILE") || IsTransient(err) {
		t.Errorf("got %v", err)
	}
	checkNothing(t, r)

	trusting := &Client{HTTP: server.Client()}
	checkDone(t, r, trusting.Fetch(t.Context(), r))
	r = request(t, strings.Replace(server.URL, "127.0.0.1", "localhost", 1)+"/a")
	if err := trusting.Fetch(t.Context(), r); err == nil || !strings.Contains(err.Error(), "not localhost") || strings.Contains(err.Error(), "SSL_CERT_FILE") {
		t.Errorf("got %v", err)
	}
}
