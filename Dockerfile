# One image for every server process and for the reference unit; the command says which.
FROM python:3.11.14-slim-bookworm

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY spine spine
COPY keys keys
COPY people people
COPY vehicle_gateway vehicle_gateway
COPY webhooks webhooks
COPY delivery delivery
COPY maintenance maintenance
COPY vehicle_unit vehicle_unit
COPY trunkline trunkline
RUN pip install --constraint constraints.txt ".[server]"
# A volume mounted here for the first time takes over this owner; what a service does not mount stays empty.
RUN useradd --uid 10001 --create-home trunkline \
 && install -d -o trunkline -g trunkline -m 0700 /data /data/mail /data/photos /unit
USER trunkline
WORKDIR /data
ENV TRUNKLINE_DATA_DIR=/data
ENTRYPOINT ["trunkline"]
