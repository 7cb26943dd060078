export SSL_CERT_FILE=$CA
cat >client.py <<'P'
import asyncio, os, ssl, urllib.request
web, plain, other = os.environ["WEB"], os.environ["PLAIN"], os.environ["OTHER"]
print(urllib.request.urlopen(f"https://{web}/who").read().decode().strip())
print(urllib.request.urlopen(f"http://{plain}/who").read().decode().strip())

async def raw():
    host, port = web.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=ssl.create_default_context())
    writer.write(f"GET /who HTTP/1.1\r\nHost: {web}\r\nConnection: close\r\n\r\n".encode())
    print((await reader.read()).split(b"\r\n\r\n")[1].decode().strip())
    writer.close()

asyncio.run(raw())
try:
    urllib.request.urlopen(f"https://{other}/who")
    print("REACHED")
except OSError:
    print("refused")
P
python3 client.py
