package proxy

import "io"

// Way is how addr would be reached.
func (d *Dialer) Way(addr string) string {
	return map[way]string{direct: "direct", tunnelled: "proxy", nearby: "direct, then proxy"}[d.way(addr)]
}

// ReadAnswer reads the head of an answer, and gives its status and what came after it.
func ReadAnswer(r io.Reader) (status int, early []byte, err error) {
	answer, early, err := readAnswer(r)
	if err != nil {
		return 0, nil, err
	}
	return answer.StatusCode, early, nil
}

// MaxAnswer is the longest head of an answer.
const MaxAnswer = maxAnswer

// Schemes are the ways to authenticate in Proxy-Authenticate headers.
func Schemes(headers ...string) []string { return schemes(headers) }
