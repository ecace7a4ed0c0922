package download

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestParseNetrc(t *testing.T) {
	for _, test := range []struct{ text, host, want string }{
		{"machine h login u password p", "h", "u:p"},
		{"machine h\n\tlogin u\r\n  password p\n", "H", "u:p"},
		{"machine h login u password p", "h.example.org", "none"},
		{"machine h.example.org login u password p", "example.org", "none"},
		{"default login u password p", "h", "none"},
		{"machine a login u password p default login u2 password p2", "a", "u:p"},
		{"machine h login u password p machine h login u2 password p2", "h", "u:p"},
		{"machine h login u machine h login u2 password p2", "h", "u2:p2"},
		{"machine h password p", "h", ":p"},
		{"machine h login u", "h", "none"},
		{"login u password p machine h", "h", "none"},
		{"machine h account a login u port 80 password p", "h", "u:p"},
		{"# machine h login u password x\n  # login\nmachine h login u password #p", "h", "u:#p"},
		{`machine h login "a b" password "p\"\\\t\x"`, "h", "a b:p\"\\\tx"},
		{"machine h login u password pä", "h", "u:pä"},
		{"macdef m\nmachine h login u password x\n\nmachine h login u password p", "h", "u:p"},
		{"machine a macdef init\ncd /\nmachine h login u password x", "h", "none"},
		{"", "", "none"},
		{`machine "" login u password p`, "", "none"},
		{"machine", "", "line 1: nothing follows \"machine\""},
		{"machine h\nlogin u\npassword", "", "line 3: nothing follows \"password\""},
		{"machine h\nlogin u password \"secret", "", "line 2: a quotation mark is missing"},
		{"machine h password \"secret\nx\"", "", "line 1: a quotation mark is missing"},
		{"machine h password \"secret\\", "", "a quotation mark is missing"},
		{strings.Repeat("x ", maxNetrc), "", "more than 1048576 bytes"},
	} {
		n, err := ParseNetrc(test.text)
		got := fmt.Sprint(err)
		if err == nil {
			got = "none"
			if login, password, ok := n.Lookup(test.host); ok {
				got = login + ":" + password
			}
		}
		if err != nil && (!strings.Contains(got, test.want) || strings.Contains(got, "secret")) || err == nil && got != test.want {
			t.Errorf("%.60q for %q: got %q, want %q", test.text, test.host, got, test.want)
		}
	}
}

func FuzzNetrc(f *testing.F) {
	f.Add("machine h login u password \"p\\n\"\nmacdef m\nx\n\ndefault login u password p # x")
	f.Add("#\n\"\"machine\r\n\t\"a\\\"\" password\x00 p")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseNetrc(text)
		if (n == nil) != (err != nil) {
			t.Fatalf("got %v, %v", n, err)
		}
		if n == nil {
			return
		}
		for _, m := range n.machines {
			// What is found was said for this host.
			if login, password, ok := n.Lookup(m.host); ok && (!strings.Contains(text, "password") || password == "" || login != "" && !strings.Contains(text, "login")) {
				t.Fatalf("%q: %q:%q", m.host, login, password)
			}
		}
	})
}

func TestReadNetrc(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "netrc")
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o604: true, 0o620: true} {
		if err := os.WriteFile(name, []byte("machine h login u password p"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		n, exposed, err := ReadNetrc(name)
		if err != nil || exposed != want {
			t.Errorf("%o: exposed %t, %v", mode, exposed, err)
		}
		for _, text := range []string{fmt.Sprint(n), fmt.Sprintf("%+v %#v %s", n, n, n), fmt.Sprintf("%+v", &Client{Netrc: n}), fmt.Sprintf("%#v", Client{Netrc: n})} {
			if strings.Contains(text, `"u"`) || strings.Contains(text, " u ") || strings.Contains(text, "password") {
				t.Errorf("printed as %s", text)
			}
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadNetrc(name); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("FIFO: got %v", err)
	}
}

// TestNetrcHosts: a password goes to its own host and nowhere else, over TLS or
// to this machine (CVE-2024-47174).
func TestNetrcHosts(t *testing.T) {
	w := newWebOfHosts(t)
	for _, test := range []struct{ url, want string }{
		{"https://a.org/x", "https://a.org=ada:secret1"},
		{"https://A.org/x", "https://A.org=ada:secret1"},
		{"https://a.org:8443/x", "https://a.org:8443=ada:secret1"},
		{"http://a.org/x", "a.org"},
		{"https://c.org/x", "https://c.org"},
		{"https://sub.a.org/x", "https://sub.a.org"},
		{"https://a.org.c.org/x", "https://a.org.c.org"},
		{"https://a.org./x", "https://a.org."},
		{"http://localhost/x", "localhost=me:secret3"},
		{"http://127.0.0.1/x", "127.0.0.1=me:secret4"},
		{"http://localhost.c.org/x", "localhost.c.org"},
		{"https://a.org/to//x", "https://a.org=ada:secret1 https://a.org=ada:secret1"},
		{"https://a.org/to/https://c.org/x", "https://a.org=ada:secret1 https://c.org"},
		{"https://a.org/to/https://b.org/x", "https://a.org=ada:secret1 https://b.org"},
		{"https://a.org/to/https://sub.a.org/x", "https://a.org=ada:secret1 https://sub.a.org"},
		{"https://a.org/to/https://a.org:8443/x", "https://a.org=ada:secret1 https://a.org:8443"},
		{"https://c.org/to/https://a.org/x", "https://c.org https://a.org"},
		{"https://a.org/to/https://c.org/to/https://a.org/x", "https://a.org=ada:secret1 https://c.org https://a.org"},
		{"http://a.org/to/https://a.org/x", "a.org https://a.org"},
		{"http://localhost/to/http://127.0.0.1/x", "localhost=me:secret3 127.0.0.1"},
	} {
		w.seen = nil
		r := request(t, test.url)
		checkDone(t, r, w.client.Fetch(t.Context(), r))
		if got := strings.Join(w.seen, " "); got != test.want {
			t.Errorf("%s: asked %s, want %s", test.url, got, test.want)
		}
	}
}

func TestUnauthorized(t *testing.T) {
	url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	if err := quick.Fetch(t.Context(), request(t, url)); err == nil || !strings.Contains(err.Error(), "netrc") {
		t.Errorf("got %v", err)
	}
}
