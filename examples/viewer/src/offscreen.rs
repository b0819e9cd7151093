//! A picture in a file.

use std::io::Write;
use std::path::Path;

use flashschnet::gpu::wgpu;

use crate::Result;
use crate::arguments::Arguments;
use crate::camera::Camera;
use crate::gpu::{Gpu, scoped};
use crate::run::Run;

/// Runs the simulation, and writes a picture of its end to a PNG file. A file of this name is
/// replaced when the picture is complete.
pub(crate) fn picture(arguments: &Arguments, path: &Path) -> Result<()> {
    // Fails before the run if the folder cannot be written to.
    let mut file = temporary(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let instance = wgpu::Instance::default();
    let gpu = Gpu::open(&instance, arguments.adapter.as_deref(), None)?;
    let texture = texture(&gpu.device, arguments.size)?;
    let mut run = Run::new(arguments, &gpu, texture.format())?;

    run.scene.record();
    while run.simulation.step() < arguments.steps {
        let left = arguments.steps - run.simulation.step();
        run.advance(left.min(arguments.steps_per_frame))?;
    }
    let view = texture.create_view(&Default::default());
    run.scene.draw(&view, arguments.size, &Camera::default(), true)?;

    let rgb = read(&gpu, &texture)?;
    let written = write(&mut file, arguments.size, &rgb);
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    file.persist(path).map_err(|error| format!("{}: {}", path.display(), error.error))?;
    let (replica, time) = (run.scene.replica(), run.simulation.time());
    println!("{}: replica {replica} after {time:.3} ps", path.display());
    Ok(())
}

/// A file that becomes `path` when it is complete, with the permissions of an ordinary file.
fn temporary(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".viewer-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder.unwrap_or(Path::new(".")))
}

/// The texture of a picture, which can be copied to the host.
fn texture(device: &wgpu::Device, size: [u32; 2]) -> Result<wgpu::Texture> {
    let [width, height] = size;
    let most = device.limits().max_texture_dimension_2d;
    if width.max(height) > most {
        return Err(format!("--size: found {width}x{height}, expected sides up to {most}").into());
    }
    scoped(device, || {
        device.create_texture(&wgpu::TextureDescriptor {
            label: Some("picture"),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8UnormSrgb,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        })
    })
}

/// The red, green and blue of a texture, row by row.
fn read(Gpu { device, queue, .. }: &Gpu, texture: &wgpu::Texture) -> Result<Vec<u8>> {
    let row = 4 * texture.width();
    // In the buffer, a row begins at a multiple of 256 bytes.
    let bytes_per_row = row.next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let buffer = scoped(device, || {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("picture"),
            size: u64::from(bytes_per_row) * u64::from(texture.height()),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    })?;
    let layout = wgpu::TexelCopyBufferLayout {
        offset: 0,
        bytes_per_row: Some(bytes_per_row),
        rows_per_image: None,
    };
    let to = wgpu::TexelCopyBufferInfo { buffer: &buffer, layout };
    let mut commands = device.create_command_encoder(&Default::default());
    commands.copy_texture_to_buffer(texture.as_image_copy(), to, texture.size());
    queue.submit([commands.finish()]);
    let (send, mapped) = std::sync::mpsc::channel();
    buffer.map_async(wgpu::MapMode::Read, .., move |result| {
        let _ = send.send(result);
    });
    device.poll(wgpu::PollType::wait_indefinitely())?;
    mapped.recv()??;
    let bytes = buffer.get_mapped_range(..)?;
    let rows = bytes.chunks_exact(bytes_per_row as usize);
    let pixels = rows.flat_map(|bytes| bytes[..row as usize].chunks_exact(4));
    Ok(pixels.flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect())
}

fn write(to: &mut impl Write, [width, height]: [u32; 2], rgb: &[u8]) -> Result<()> {
    let mut encoder = png::Encoder::new(to, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(rgb)?;
    Ok(writer.finish()?)
}
