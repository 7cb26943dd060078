export SSL_CERT_FILE=$CA REQUESTS_CA_BUNDLE=$CA PYTHONPATH=$PYTHONS
cat >client.py <<'P'
import asyncio, os, httpx, requests
web, plain, other = os.environ["WEB"], os.environ["PLAIN"], os.environ["OTHER"]
print(requests.get(f"https://{web}/who").text.strip())
print(requests.get(f"http://{plain}/who").text.strip())
print(httpx.get(f"https://{web}/who").text.strip())

async def many():
    async with httpx.AsyncClient() as client:
        return await asyncio.gather(*(client.get(f"https://{web}/page") for _ in range(30)))

print(sum(answer.text == "hello\n" for answer in asyncio.run(many())))
for of in (requests.get, httpx.get):
    try:
        of(f"https://{other}/who")
        print("REACHED")
    except (OSError, httpx.HTTPError):
        print("refused")
P
python3 client.py
