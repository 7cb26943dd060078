# a client that would rather speak QUIC: what it cannot have it does without, and at once
export PYTHONPATH=$PYTHONS
cat >client.py <<'P'
import os, time
from curl_cffi import CurlHttpVersion, requests
web, ca = os.environ["WEB"], os.environ["CA"]
begun = time.monotonic()
print(requests.get(f"https://{web}/who", http_version=CurlHttpVersion.V3, verify=ca, timeout=120).text.strip())
print("at once" if time.monotonic() - begun < 60 else "late")
try:
    requests.get(f"https://{web}/who", http_version=CurlHttpVersion.V3ONLY, verify=ca, proxies={"all": ""}, timeout=60)
    print("REACHED")
except requests.RequestsError:
    print("refused")
P
python3 client.py
