// tus-js-client sends a file, leaves in the middle, and another client goes on: prints the upload's address.
// usage: node tus_client.mjs PACKAGE ENDPOINT KEY FILE
import { createReadStream, statSync } from 'node:fs'
import { createRequire } from 'node:module'

const [, , folder, endpoint, key, path] = process.argv
const { Upload } = createRequire(import.meta.url)(folder)

function send(uploadUrl, leaves) {
  return new Promise((resolve, reject) => {
    let left = false
    const upload = new Upload(createReadStream(path), {
      endpoint,
      uploadUrl,
      uploadSize: statSync(path).size,
      chunkSize: 1024 * 1024,
      headers: { Authorization: `Bearer ${key}` },
      metadata: { filename: 'talk.wav' },
      retryDelays: [100, 1000],
      onError: reject,
      onSuccess: () => resolve(upload.url),
      onChunkComplete: () => {
        if (leaves && !left) {
          left = true
          upload.abort().then(() => resolve(upload.url))
        }
      },
    })
    upload.start()
  })
}

const url = await send(undefined, true)
console.log(await send(url, false))
