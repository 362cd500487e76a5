package proxy

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// A server is the proxy itself.
type server struct {
	// addr is its "host:port".
	addr string
	host string
	tls  bool
	// authorization is the value of Proxy-Authorization; empty without credentials. A function, since those don't print.
	authorization func() string
}

// errForm says what an address looks like, and repeats nothing of one that is wrong: a part of the password may stand anywhere
// in it.
var errForm = errors.New(`this is not the address of a proxy; want http://10.0.0.1:3128 or http://user:password@10.0.0.1:3128, ` +
	`with other characters than letters and digits of the password in their percent form, such as %40 for @`)

// Check says whether s can be a proxy's URL. The error has nothing of a password in it.
func Check(s string) error {
	_, err := parseServer(s)
	return err
}

// parseServer reads a proxy's URL. As in HTTPS_PROXY, one without a scheme is taken for http.
func parseServer(s string) (*server, error) {
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errForm
	}
	p := &server{host: u.Hostname(), authorization: func() string { return "" }}
	port := "80"
	switch u.Scheme {
	case "http":
	case "https":
		p.tls, port = true, "443"
	default:
		return nil, fmt.Errorf("proxies of the kind %.20q are not supported; want http or https", u.Scheme)
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return nil, errForm
	}
	p.addr = net.JoinHostPort(p.host, port)
	if checkTarget(p.addr) != nil {
		return nil, errForm
	}
	if u.User != nil {
		return p, p.authenticate(u.User)
	}
	return p, nil
}

// authenticate makes the header of Basic (RFC 7617, section 2), in which a colon ends the user name.
func (p *server) authenticate(user *url.Userinfo) error {
	name := user.Username()
	password, _ := user.Password()
	if name == "" || strings.Contains(name, ":") {
		return errors.New("the user name for the proxy is empty or has a colon in it, which can't be told to a proxy")
	}
	header := "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
	p.authorization = func() string { return header }
	return nil
}
